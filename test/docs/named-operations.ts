/** What the lines of the pages ask the API for: the operations behind doctl's commands and Terraform's resources. */
const account = ['account_get'];
const keys = (verb: string) => [`sshKeys_${verb}`];
const droplets = (verb: string) => [`droplets_${verb}`];
const dropletAction = ['dropletActions_post', 'actions_get'];
const images = (verb: string) => [`images_${verb}`];
const pools = (verb: string) => [`autoscalepools_${verb}`];

/** By the words that doctl's command begins with. */
export const doctlOperations: Record<string, string[]> = {
  'account get': account,
  'account ratelimit': account,
  'compute action list': ['actions_list'],
  'compute action wait': ['actions_get'],
  'compute droplet 1-click list': ['oneClicks_list'],
  'compute droplet actions': ['dropletActions_list'],
  'compute droplet backup-policies get': droplets('get_backup_policy'),
  'compute droplet backup-policies list-supported': droplets('list_supported_backup_policies'),
  'compute droplet backups': droplets('list_backups'),
  'compute droplet create': ['droplets_create', 'actions_get', 'droplets_get'],
  'compute droplet delete': ['droplets_destroy', 'droplets_destroy_byTag', 'droplets_list'],
  'compute droplet get': droplets('get'),
  'compute droplet list': droplets('list'),
  'compute droplet neighbors': droplets('list_neighbors'),
  'compute droplet snapshots': droplets('list_snapshots'),
  'compute droplet tag': ['tags_create', 'tags_assign_resources'],
  'compute droplet untag': ['tags_unassign_resources'],
  'compute droplet-action': dropletAction,
  'compute droplet-autoscale create': pools('create'),
  'compute droplet-autoscale delete-dangerous': pools('delete_dangerous'),
  'compute droplet-autoscale get': pools('get'),
  'compute droplet-autoscale list-history': pools('list_history'),
  'compute droplet-autoscale list-members': pools('list_members'),
  'compute droplet-autoscale update': pools('update'),
  'compute image create': images('create_custom'),
  'compute image delete': images('delete'),
  'compute image get': images('get'),
  'compute image list': images('list'),
  'compute image list-application': images('list'),
  'compute image list-distribution': images('list'),
  'compute image list-user': images('list'),
  'compute image update': images('update'),
  'compute image-action transfer': ['imageActions_post', 'actions_get'],
  'compute reserved-ip create': ['reservedIPs_create'],
  'compute reserved-ip delete': ['reservedIPs_delete'],
  'compute reserved-ip list': ['reservedIPs_list'],
  'compute reserved-ip-action': ['reservedIPsActions_post'],
  'compute reserved-ipv6 create': ['reservedIPv6_create'],
  'compute reserved-ipv6 delete': ['reservedIPv6_delete'],
  'compute reserved-ipv6 list': ['reservedIPv6_list'],
  'compute reserved-ipv6-action': ['reservedIPv6Actions_post'],
  'compute snapshot delete': ['snapshots_delete'],
  'compute snapshot list': ['snapshots_list'],
  'compute ssh': ['droplets_list'],
  'compute ssh-key delete': keys('delete'),
  'compute ssh-key get': keys('get'),
  'compute ssh-key import': keys('create'),
  'compute ssh-key list': keys('list'),
  'compute ssh-key update': keys('update'),
  'compute tag apply': ['tags_assign_resources'],
  'compute tag create': ['tags_create'],
  'compute tag delete': ['tags_delete'],
  'compute tag get': ['tags_get'],
  'compute tag list': ['tags_list'],
  'compute tag remove': ['tags_unassign_resources'],
  'compute volume create': ['volumes_create'],
  'compute volume delete': ['volumes_delete'],
  'compute volume get': ['volumes_get'],
  'compute volume list': ['volumes_list'],
  'compute volume snapshot': ['volumeSnapshots_create'],
  'compute volume-action': ['volumeActions_post_byId', 'actions_get'],
  'vpcs get': ['vpcs_get'],
  'vpcs list': ['vpcs_list'],
};

/** By the type of a resource or of data: what makes and reads it. */
export const terraformOperations: Record<string, string[]> = {
  digitalocean_account: account,
  digitalocean_custom_image: ['images_create_custom', 'images_get'],
  digitalocean_droplet: ['droplets_create', 'droplets_get'],
  digitalocean_droplet_autoscale: ['autoscalepools_create', 'autoscalepools_get'],
  digitalocean_droplet_snapshot: ['dropletActions_post', 'snapshots_get'],
  digitalocean_image: ['images_get'],
  digitalocean_reserved_ip: ['reservedIPs_create', 'reservedIPs_get'],
  digitalocean_reserved_ip_assignment: ['reservedIPsActions_post', 'reservedIPsActions_get'],
  digitalocean_reserved_ipv6: ['reservedIPv6_create', 'reservedIPv6_get'],
  digitalocean_ssh_key: ['sshKeys_create', 'sshKeys_get'],
  digitalocean_tag: ['tags_create', 'tags_get'],
  digitalocean_volume: ['volumes_create', 'volumes_get'],
  digitalocean_volume_attachment: ['volumeActions_post_byId', 'volumes_get'],
  digitalocean_volume_snapshot: ['volumeSnapshots_create', 'snapshots_get'],
  digitalocean_vpc: ['vpcs_get'],
};

/** The call of doctl that a line makes, by its longest beginning in the table; the line itself where there is none. */
export function doctlCalls(text: string): { call: string; operations: string[] | undefined }[] {
  const known = Object.keys(doctlOperations).sort((a, b) => b.length - a.length);
  return [...text.matchAll(/\bdoctl ((?:[a-z0-9-]+ ?)+)/g)].map(([call, words = '']) => {
    const found = known.find((each) => `${words.trimEnd()} `.startsWith(`${each} `));
    return { call, operations: found === undefined ? undefined : doctlOperations[found] };
  });
}

/** The types of what a configuration makes or reads. */
export const terraformTypes = (text: string): string[] =>
  [...text.matchAll(/^(?:resource|data) "(\w+)"/gm)].map(([, type = '']) => type);
