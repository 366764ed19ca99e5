import { invalid } from '../../http/errors.ts';

const validName = /^[a-z][a-z0-9-]{0,63}$/;
const validLabel = /^[A-Za-z0-9_.-]+$/;
const maxLabel = { ext4: 16, xfs: 12 };

/** @throws ApiError 422 where a volume cannot have this name: machines find it by the name */
export function checkVolumeName(name: string): void {
  if (validName.test(name)) return;
  throw invalid(
    'name',
    'is an invalid volume name. Names must be lowercase and alphanumeric: letters, digits and dashes, a letter first, at most 64 characters.',
  );
}

/** @throws ApiError 422 where a filesystem of this type cannot have this label */
export function checkLabel(type: 'ext4' | 'xfs' | undefined, label: string | undefined): void {
  if (!label) return;
  if (!type) throw invalid('filesystem_label', 'can be given only together with filesystem_type.');
  if (label.length > maxLabel[type])
    throw invalid(
      'filesystem_label',
      `is longer than the ${maxLabel[type]} characters that ${type} can hold.`,
    );
  if (!validLabel.test(label))
    throw invalid('filesystem_label', 'may have letters, digits, dots, dashes and underscores only.');
}
