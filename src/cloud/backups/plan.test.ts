import { describe, expect, it } from 'vitest';
import { type BackupRow, beginsAt, planBackups } from './plan.ts';

const due = new Date('2026-01-02T00:00:00Z');
const row: BackupRow = {
  id: 5,
  team_id: 't',
  region: 'nyc3',
  size: 's-1vcpu-1gb',
  disk_gib: null,
  image_id: 1,
  deleted_at: null,
  backup_plan: 'daily',
  backup_weekday: null,
  backup_hour: 0,
  backup_due: due,
  backups: [],
};
const after = (ms: number) => new Date(due.getTime() + ms);
const hour = 3_600_000;
const day = 24 * hour;

describe('the plan of backups', () => {
  it('waits for the part of the window that is this droplet’s, then begins', () => {
    expect(planBackups(row, {}, due)).toEqual({ settled: { at: beginsAt(due, row.id) } });
    expect(planBackups(row, {}, after(hour))).toEqual({ steps: [{ do: 'begin', due, next: after(day) }] });
  });

  it('tries again in a minute where the droplet is busy, and skips a window that has passed', () => {
    const now = after(hour);
    expect(planBackups(row, { busy: true }, now)).toEqual({ settled: { at: after(hour + 60_000) } });
    expect(planBackups(row, { busy: true }, after(5 * hour))).toEqual({
      steps: [{ do: 'skip', due, next: after(day) }],
    });
  });

  it('lets those go whose time is over, all of them with the droplet, and looks again for the next', () => {
    const backups = [8, 6].map((days, index) => ({ id: index, at: after(-days * day).toISOString() }));
    expect(planBackups({ ...row, backups }, {}, due)).toEqual({ steps: [{ do: 'delete', images: [0] }] });
    expect(planBackups({ ...row, deleted_at: due, backups }, {}, due)).toEqual({
      steps: [{ do: 'delete', images: [0, 1] }],
    });
    const off = { ...row, backup_plan: null, backup_due: null, backups: backups.slice(1) };
    expect(planBackups(off, {}, due)).toEqual({ settled: { at: after((28 - 6) * day) } });
  });

  it('is over where nothing is left to do', () => {
    expect(planBackups({ ...row, backup_plan: null, backup_due: null }, {}, due)).toEqual({
      settled: 'never',
    });
    expect(planBackups({ ...row, deleted_at: due }, {}, due)).toEqual({ settled: 'never' });
  });
});
