import { readConfig } from '../config.ts';
import { defineCommand } from './command.ts';
import { publicUrl, readToken } from './endpoint.ts';
import { bundleFile } from './tls.ts';

/** Quotes for a POSIX shell, where there is anything to quote. */
export function shellQuote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

export default defineCommand({
  help: `
Usage: eval "$(atoll env)"

Prints the exports that make doctl, Terraform, godo and others use this Atoll.
`,
  async run({ home }) {
    const config = readConfig(home);
    const token = readToken(home);
    const variables: Record<string, string> = {
      DIGITALOCEAN_API_URL: publicUrl(config),
      DIGITALOCEAN_ACCESS_TOKEN: token,
      DIGITALOCEAN_TOKEN: token,
    };
    if (config.tls?.ca) {
      const bundle = bundleFile(home);
      // Go, Python requests, curl, Node.
      for (const name of ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE']) variables[name] = bundle;
      variables.NODE_EXTRA_CA_CERTS = config.tls.ca;
    }
    for (const [name, value] of Object.entries(variables)) console.log(`export ${name}=${shellQuote(value)}`);
  },
});
