import type { RecipeData } from '../recipe-data.ts';
import { droplet } from './droplet.ts';

export const debian13: RecipeData = { name: 'debian-13', version: '13', codename: 'trixie', ...droplet };
