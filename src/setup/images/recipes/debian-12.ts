import type { RecipeData } from '../recipe-data.ts';
import { droplet } from './droplet.ts';

export const debian12: RecipeData = { name: 'debian-12', version: '12', codename: 'bookworm', ...droplet };
