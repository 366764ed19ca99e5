import { startAtoll } from '../support/atoll.ts';
import { crashContract } from './crash.contract.ts';

crashContract({ engine: 'simulated', start: (wrap) => startAtoll({ wrap }) });
