/** The mail port: what DigitalOcean sends by e-mail to the owner of the account. */

export interface Letter {
  /** Names the letter; the same one sent twice replaces itself. `[a-z0-9-]+` */
  name: string;
  subject: string;
  /** May hold a secret: never logged. */
  text: string;
}

export interface Mail {
  send(letter: Letter): Promise<void>;
}
