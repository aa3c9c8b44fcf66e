#include <tunables/global>

# What containers run under that ask for no profile of their own. Namespaces, capabilities and seccomp do the most of it; here is what
# they leave open: files of /proc and /sys that change the whole machine, mounts, and the processes of others.
profile stagelet-default flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>

  capability,
  network,
  file,
  umount,
  deny mount,

  # systemd and the OCI runtime may signal a container's processes, and those each other
  signal (receive) peer=unconfined,
  signal (send, receive) peer=stagelet-default,
  ptrace (read, trace, readby, tracedby) peer=stagelet-default,

  deny @{PROC}/kcore rwklx,
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/{acpi,bus,irq,scsi,tty}/** wklx,
  deny @{PROC}/sys/{abi,debug,dev,fs,user,vm}/** wklx,
  deny @{PROC}/sys/kernel/{core_pattern,core_uses_pid,hotplug,modprobe,modules_disabled,kexec_load_disabled} wklx,
  deny @{PROC}/sys/kernel/{panic*,printk*,perf_*,sysrq,dmesg_restrict,kptr_restrict,randomize_va_space} wklx,
  deny @{PROC}/sys/kernel/{keys,yama,seccomp,usermodehelper,firmware_config}/** wklx,

  deny /sys/{block,bus,class,dev,devices,hypervisor,module,power}/** wklx,
  deny /sys/{firmware,kernel}/** rwklx,
  deny /sys/fs/{bpf,btrfs,ext4,fuse,pstore,resctrl,selinux,xfs}/** wklx,
}
