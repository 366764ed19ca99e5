import { isIP, isIPv4, isIPv6 } from 'node:net';

/** Whether a text is a UUID, in any case of its letters. PostgreSQL refuses a query that compares one with anything else. */
export const isUuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

const dateTime = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$/;

/** The formats a schema may name; any other is not checked. */
export const formats = {
  uuid: isUuid,
  'date-time': (text: string) => dateTime.test(text) && !Number.isNaN(Date.parse(text)),
  ipv4: isIPv4,
  ipv6: isIPv6,
  ip: (text: string) => isIP(text) !== 0,
};
