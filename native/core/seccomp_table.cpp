#include "core/seccomp_table.hpp"

#include <linux/capability.h>
#include <sys/syscall.h>

// Modelled on moby's profiles/seccomp/default.json, which users' programs are known to work with. Not in it, and so
// refused: keyrings, kexec, modules, swap, quotas, bpf, perf, userfaultfd, io_uring, NUMA policy, mounting, ptrace of
// others' memory, new namespaces; the last few come back with the capability that would allow them anyway.
namespace lightv {
namespace {

constexpr int always = -1;

SeccompGroup files() {
  return {"files: open, read, write, map, watch",
          always,
          {SYS_read,
           SYS_write,
           SYS_close,
           SYS_fstat,
           SYS_lseek,
           SYS_pread64,
           SYS_pwrite64,
           SYS_readv,
           SYS_writev,
           SYS_preadv,
           SYS_pwritev,
           SYS_preadv2,
           SYS_pwritev2,
           SYS_openat,
           SYS_openat2,
           SYS_newfstatat,
           SYS_statx,
           SYS_statfs,
           SYS_fstatfs,
           SYS_faccessat,
           SYS_faccessat2,
           SYS_fchmod,
           SYS_fchmodat,
           SYS_fchown,
           SYS_fchownat,
           SYS_linkat,
           SYS_symlinkat,
           SYS_unlinkat,
           SYS_renameat,
           SYS_renameat2,
           SYS_mkdirat,
           SYS_mknodat,
           SYS_readlinkat,
           SYS_getdents64,
           SYS_getcwd,
           SYS_chdir,
           SYS_fchdir,
           SYS_truncate,
           SYS_ftruncate,
           SYS_fallocate,
           SYS_fadvise64,
           SYS_readahead,
           SYS_fsync,
           SYS_fdatasync,
           SYS_sync,
           SYS_syncfs,
           SYS_sync_file_range,
           SYS_utimensat,
           SYS_flock,
           SYS_fcntl,
           SYS_dup,
           SYS_dup3,
           SYS_pipe2,
           SYS_splice,
           SYS_tee,
           SYS_vmsplice,
           SYS_sendfile,
           SYS_copy_file_range,
           SYS_umask,
           SYS_setxattr,
           SYS_lsetxattr,
           SYS_fsetxattr,
           SYS_getxattr,
           SYS_lgetxattr,
           SYS_fgetxattr,
           SYS_listxattr,
           SYS_llistxattr,
           SYS_flistxattr,
           SYS_removexattr,
           SYS_lremovexattr,
           SYS_fremovexattr,
           SYS_inotify_init1,
           SYS_inotify_add_watch,
           SYS_inotify_rm_watch,
           SYS_fanotify_mark,
           SYS_name_to_handle_at,
           SYS_close_range,
           SYS_io_setup,
           SYS_io_destroy,
           SYS_io_submit,
           SYS_io_cancel,
           SYS_io_getevents,
           SYS_io_pgetevents,
           451 /* cachestat */,
           452 /* fchmodat2 */}};
}

SeccompGroup memory() {
  return {"memory of the caller's own",
          always,
          {SYS_mmap,
           SYS_mprotect,
           SYS_munmap,
           SYS_mremap,
           SYS_madvise,
           SYS_process_madvise,
           SYS_brk,
           SYS_msync,
           SYS_mincore,
           SYS_mlock,
           SYS_mlock2,
           SYS_munlock,
           SYS_mlockall,
           SYS_munlockall,
           SYS_membarrier,
           SYS_remap_file_pages,
           SYS_memfd_create,
           SYS_memfd_secret,
           SYS_pkey_alloc,
           SYS_pkey_free,
           SYS_pkey_mprotect,
           SYS_process_mrelease,
           453 /* map_shadow_stack */,
           462 /* mseal */}};
}

SeccompGroup processes() {
  return {"processes, threads, their limits and scheduling",
          always,
          {SYS_execve,
           SYS_execveat,
           SYS_exit,
           SYS_exit_group,
           SYS_wait4,
           SYS_waitid,
           SYS_kill,
           SYS_tkill,
           SYS_tgkill,
           SYS_getpid,
           SYS_getppid,
           SYS_gettid,
           SYS_getpgid,
           SYS_setpgid,
           SYS_getsid,
           SYS_setsid,
           SYS_set_tid_address,
           SYS_set_robust_list,
           SYS_get_robust_list,
           SYS_rseq,
           SYS_prctl,
           SYS_getrlimit,
           SYS_setrlimit,
           SYS_prlimit64,
           SYS_getrusage,
           SYS_times,
           SYS_getpriority,
           SYS_setpriority,
           SYS_sched_yield,
           SYS_sched_getaffinity,
           SYS_sched_setaffinity,
           SYS_sched_getattr,
           SYS_sched_setattr,
           SYS_sched_getparam,
           SYS_sched_setparam,
           SYS_sched_getscheduler,
           SYS_sched_setscheduler,
           SYS_sched_get_priority_max,
           SYS_sched_get_priority_min,
           SYS_sched_rr_get_interval,
           SYS_ioprio_get,
           SYS_ioprio_set,
           SYS_getcpu,
           SYS_sysinfo,
           SYS_uname,
           SYS_pidfd_open,
           SYS_pidfd_send_signal,
           SYS_seccomp,
           SYS_ptrace,
           SYS_landlock_create_ruleset,
           SYS_landlock_add_rule,
           SYS_landlock_restrict_self}};
}

SeccompGroup identity() {
  return {"user and group ids, capabilities",
          always,
          {SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_setuid, SYS_setgid,
           SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid, SYS_setfsgid, SYS_getgroups,
           SYS_setgroups, SYS_capget, SYS_capset}};
}

SeccompGroup signalsAndTime() {
  return {"signals, timers, waiting, random numbers",
          always,
          {SYS_rt_sigaction,
           SYS_rt_sigprocmask,
           SYS_rt_sigreturn,
           SYS_rt_sigsuspend,
           SYS_rt_sigpending,
           SYS_rt_sigtimedwait,
           SYS_rt_sigqueueinfo,
           SYS_rt_tgsigqueueinfo,
           SYS_sigaltstack,
           SYS_signalfd4,
           SYS_restart_syscall,
           SYS_nanosleep,
           SYS_clock_nanosleep,
           SYS_clock_gettime,
           SYS_clock_getres,
           SYS_clock_adjtime,
           SYS_adjtimex,
           SYS_gettimeofday,
           SYS_getitimer,
           SYS_setitimer,
           SYS_timer_create,
           SYS_timer_settime,
           SYS_timer_gettime,
           SYS_timer_getoverrun,
           SYS_timer_delete,
           SYS_timerfd_create,
           SYS_timerfd_settime,
           SYS_timerfd_gettime,
           SYS_futex,
           SYS_futex_waitv,
           SYS_eventfd2,
           SYS_epoll_create1,
           SYS_epoll_ctl,
           SYS_epoll_pwait,
           SYS_epoll_pwait2,
           SYS_ppoll,
           SYS_pselect6,
           SYS_getrandom,
           454 /* futex_wake */,
           455 /* futex_wait */,
           456 /* futex_requeue */}};
}

SeccompGroup sockets() {
  return {"sockets",
          always,
          {SYS_socketpair, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_getsockname, SYS_getpeername,
           SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg, SYS_recvmmsg, SYS_setsockopt,
           SYS_getsockopt, SYS_shutdown}};
}

SeccompGroup ipc() {
  return {"System V and POSIX messages, inside the sandbox's own ipc namespace",
          always,
          {SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_semget, SYS_semop, SYS_semtimedop, SYS_semctl,
           SYS_shmget, SYS_shmat, SYS_shmdt, SYS_shmctl, SYS_mq_open, SYS_mq_unlink, SYS_mq_timedsend,
           SYS_mq_timedreceive, SYS_mq_notify, SYS_mq_getsetattr}};
}

#if defined(__x86_64__)
SeccompGroup legacy() {
  return {"x86-64's older forms of the above", always, {SYS_open,          SYS_creat,           SYS_stat,
                                                        SYS_lstat,         SYS_access,          SYS_chmod,
                                                        SYS_chown,         SYS_lchown,          SYS_link,
                                                        SYS_symlink,       SYS_unlink,          SYS_rename,
                                                        SYS_mkdir,         SYS_rmdir,           SYS_mknod,
                                                        SYS_readlink,      SYS_getdents,        SYS_utime,
                                                        SYS_utimes,        SYS_futimesat,       SYS_dup2,
                                                        SYS_pipe,          SYS_inotify_init,    SYS_fork,
                                                        SYS_vfork,         SYS_getpgrp,         SYS_arch_prctl,
                                                        SYS_modify_ldt,    SYS_pause,           SYS_alarm,
                                                        SYS_time,          SYS_signalfd,        SYS_eventfd,
                                                        SYS_epoll_create,  SYS_epoll_wait,      SYS_poll,
                                                        SYS_select,        SYS_set_thread_area, SYS_get_thread_area,
                                                        SYS_epoll_ctl_old, SYS_epoll_wait_old}};
}
#endif

/** What a capability brings back. A sandbox that has it was asked for by name. */
std::vector<SeccompGroup> byCapability() {
  return {
    {"mounting, namespaces, host name", CAP_SYS_ADMIN, {SYS_mount,           SYS_umount2,          SYS_pivot_root,
                                                        SYS_setns,           SYS_unshare,          SYS_clone,
                                                        SYS_clone3,          SYS_sethostname,      SYS_setdomainname,
                                                        SYS_open_tree,       SYS_move_mount,       SYS_fsopen,
                                                        SYS_fsconfig,        SYS_fsmount,          SYS_fspick,
                                                        SYS_mount_setattr,   SYS_fanotify_init,    SYS_quotactl,
                                                        SYS_quotactl_fd,     SYS_lookup_dcookie,   SYS_bpf,
                                                        SYS_perf_event_open, SYS_syslog,           SYS_io_uring_setup,
                                                        SYS_io_uring_enter,  SYS_io_uring_register}},
        {"root directory", CAP_SYS_CHROOT, {SYS_chroot}},
        {"file handles", CAP_DAC_READ_SEARCH, {SYS_open_by_handle_at}},
        {"tracing", CAP_SYS_PTRACE, {SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_pidfd_getfd}},
        {"clocks", CAP_SYS_TIME, {SYS_settimeofday, SYS_clock_settime}},
        {"memory policy", CAP_SYS_NICE, {SYS_mbind, SYS_get_mempolicy, SYS_set_mempolicy, SYS_set_mempolicy_home_node}},
        {"kernel log", CAP_SYSLOG, {SYS_syslog}}, {"reboot", CAP_SYS_BOOT, {SYS_reboot}},
        {"modules", CAP_SYS_MODULE, {SYS_init_module, SYS_finit_module, SYS_delete_module}},
        {"accounting", CAP_SYS_PACCT, {SYS_acct}}, {"terminals", CAP_SYS_TTY_CONFIG, {SYS_vhangup}},
        {"eBPF", CAP_BPF, {SYS_bpf}}, {"performance counters", CAP_PERFMON, {SYS_perf_event_open}},
#if defined(__x86_64__)
        {"I/O ports", CAP_SYS_RAWIO, {SYS_iopl, SYS_ioperm}},
#endif
  };
}

}  // namespace

const std::vector<SeccompGroup>& seccompGroups() {
  static const std::vector<SeccompGroup> groups = [] {
    std::vector<SeccompGroup> all{files(), memory(), processes(), identity(), signalsAndTime(), sockets(), ipc()};
#if defined(__x86_64__)
    all.push_back(legacy());
#endif
    all.push_back({"threads and processes, without new namespaces", always, {SYS_clone}, SeccompAction::cloneArgs});
    // Its flags lie in memory, where a filter can't look: callers fall back to clone(2) when it is not there.
    all.push_back({"clone3", always, {SYS_clone3}, SeccompAction::unknown});
    all.push_back({"device control", always, {SYS_ioctl}, SeccompAction::ioctlArgs});
    all.push_back({"execution domains", always, {SYS_personality}, SeccompAction::personalityArgs});
    all.push_back({"sockets by family", always, {SYS_socket}, SeccompAction::socketArgs});
    for (SeccompGroup& group : byCapability()) all.push_back(std::move(group));
    return all;
  }();
  return groups;
}

}  // namespace lightv
