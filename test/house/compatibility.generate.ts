/**
 * Writes docs/compatibility.md. Run the API's tests first, and let them write down what they see:
 *
 *     rm -f /tmp/seen && ATOLL_SEEN_OPERATIONS=/tmp/seen vitest run --project simulated test/contract
 *     node test/house/compatibility.generate.ts /tmp/seen
 *
 * Refuses while an operation is built that no test has seen succeed.
 */
import { writeFileSync } from 'node:fs';
import { compatibilityFile, readSeen, renderDocument, unseen } from './compatibility.ts';

const [file] = process.argv.slice(2);
if (!file) throw new Error('Usage: node test/house/compatibility.generate.ts SEEN_FILE');
const seen = readSeen(file);
const missing = unseen(seen);
if (missing.length > 0) throw new Error(`No test has seen these succeed: ${missing.join(', ')}.`);
writeFileSync(compatibilityFile, renderDocument(seen));
console.log(`${compatibilityFile}: ${Object.keys(seen).length} operations seen`);
