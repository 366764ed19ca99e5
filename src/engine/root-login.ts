/**
 * Lines of a POSIX shell that let root log in over SSH by password, where the system's owner has not forbidden it: they
 * change what an image came with, which is what cloud-init writes (50-cloud-init.conf) and sshd's own default. A
 * configuration that says otherwise anywhere else stays as it is. sshd is not told.
 */
export const allowRootPassword = `
config=/etc/ssh/sshd_config
ours=$config.d/50-cloud-init.conf
if [ -f "$config" ]; then
  others=
  for file in "$config".d/*.conf; do
    [ "$file" = "$ours" ] || others="$others $file"
  done
  grep -Eiqs '^[[:space:]]*PermitRootLogin' "$config" "$ours" $others ||
    sed -i '1i PermitRootLogin yes' "$config"
  if [ -d "$config.d" ] && ! grep -Eiqs '^[[:space:]]*PasswordAuthentication[[:space:]=]+no' "$config" $others; then
    (
      umask 077
      grep -Eivs '^[[:space:]]*PasswordAuthentication' "$ours"
      echo 'PasswordAuthentication yes'
    ) > "$ours.new"
    chmod 600 "$ours.new"
    mv "$ours.new" "$ours"
  fi
fi
`;
