import { allowRootPassword } from '../../root-login.ts';

/**
 * Sets the passwords that it reads (as chpasswd(8) does) and lets sshd take root's. What cloud-init does with passwords
 * at a first boot comes before: this waits until its config stage is done, or there will be none, for 40 s at most.
 */
export const passwordScript = `
cloud_init_is_done() {
  [ -x /usr/bin/cloud-init ] && [ -d /run/systemd/system ] || return 0
  case $(systemctl show --property ActiveState --value cloud-config.service 2>&1) in
    active | failed) return 0 ;;
  esac
  case $(systemctl is-system-running 2>&1) in
    running | degraded | maintenance | stopping) return 0 ;;
  esac
  return 1
}
waited=0
until cloud_init_is_done </dev/null || [ $waited -ge 40 ]; do
  waited=$((waited + 1))
  sleep 1
done
chpasswd || exit
${allowRootPassword}
[ ! -s /run/sshd.pid ] || kill -HUP "$(cat /run/sshd.pid)"
exit 0
`;
