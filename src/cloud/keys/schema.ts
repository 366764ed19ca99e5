import { Type } from 'typebox';

export const SshKeySchema = Type.Object({
  id: Type.Integer(),
  fingerprint: Type.String(),
  public_key: Type.String(),
  name: Type.String(),
});

const Name = Type.String({
  minLength: 1,
  maxLength: 255,
  pattern: '\\S',
  patternMessage: 'must not be blank',
});

export const SshKeyCreate = Type.Object({
  name: Name,
  public_key: Type.String({ minLength: 1, maxLength: 16384 }),
});

export const SshKeyUpdate = Type.Object({ name: Name });
