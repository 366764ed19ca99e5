import type { Static, TSchema } from 'typebox';
import type { Action } from '../../control/actions.ts';
import { type Operation, operation, type Request } from '../../http/operation.ts';
import { ActionAnswer, actionView } from './view.ts';

export interface ActionRequest<Params extends TSchema, Body extends TSchema> {
  id: string;
  /** With `/actions`. */
  path: string;
  summary: string;
  scopes: readonly string[];
  params?: Params;
  body: Body;
  status: 201 | 202;
  /** The command that begins the action. */
  act(request: Request<Static<Params>, unknown, Static<Body>>): Promise<Action>;
}

/** POST of an action on one resource. */
export function beginOperation<Params extends TSchema, Body extends TSchema>({
  act,
  ...definition
}: ActionRequest<Params, Body>): Operation {
  return operation({
    ...definition,
    method: 'POST',
    response: ActionAnswer,
    handler: async (request: Request<Static<Params>, unknown, Static<Body>>) => ({
      action: actionView(await act(request)),
    }),
  });
}
