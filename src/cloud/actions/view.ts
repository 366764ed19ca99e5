import { type Static, Type } from 'typebox';
import type { Action } from '../../control/actions.ts';
import { RegionSchema, regionView } from '../regions/index.ts';
import { wireTime } from '../wire-time.ts';

const Null = Type.Null();

export const ActionSchema = Type.Object({
  id: Type.Integer(),
  status: Type.String({ enum: ['in-progress', 'completed', 'errored'] }),
  type: Type.String(),
  started_at: Type.String({ format: 'date-time' }),
  completed_at: Type.Union([Type.String({ format: 'date-time' }), Null]),
  resource_id: Type.Union([Type.Integer(), Null]),
  resource_type: Type.String(),
  region: Type.Optional(RegionSchema),
  region_slug: Type.Union([Type.String(), Null]),
  message: Type.Optional(Type.String({ description: 'Why it errored. Beyond what DigitalOcean answers.' })),
});

/** The body of one action. */
export const ActionAnswer = Type.Object({ action: ActionSchema });

export type ActionView = Static<typeof ActionSchema>;

/**
 * An action as the API shows it. `resource_id` is null where the resource's id is not a number (godo decodes it
 * into an int), and `completed_at` is null until it has ended: terraform waits for just that.
 */
export function actionView(action: Action): ActionView {
  return {
    id: action.id,
    status: action.status,
    type: action.type,
    started_at: wireTime(action.started_at),
    completed_at: action.completed_at && wireTime(action.completed_at),
    resource_id: /^\d+$/.test(action.resource_id) ? Number(action.resource_id) : null,
    resource_type: action.resource_type,
    ...(action.region && { region: regionView(action.region) }),
    region_slug: action.region,
    ...(action.status === 'errored' && action.message && { message: action.message }),
  };
}
