/* SPDX-License-Identifier: GPL-2.0 */
/*
 * C helpers: macros and inline functions of the kernel that bindgen cannot see. No
 * policy. bindgen reads this file with the user-space include paths, so it names kernel
 * types without defining them.
 */
#ifndef _UMCG_SYS_HELPERS_H
#define _UMCG_SYS_HELPERS_H

#include <linux/umcg.h>

#include "task_work.h"
#include "trace.h"

#ifdef __BINDGEN__
#define bool _Bool
#endif

struct delayed_work;
struct k_sigaction;
struct linux_binprm;
struct mm_struct;
struct page;
struct preempt_notifier;
struct raw_spinlock;
struct task_struct;
struct vm_area_struct;
struct wait_queue_head;
struct work_struct;
struct workqueue_struct;
struct xarray;

/* The command numbers as integers: bindgen does not evaluate _IOC(). */
enum umcg_command {
	UMCG_COMMAND_VERSION	= UMCG_IOC_VERSION,
	UMCG_COMMAND_CTL	= UMCG_IOC_CTL,
	UMCG_COMMAND_WAIT	= UMCG_IOC_WAIT,
	UMCG_COMMAND_KICK	= UMCG_IOC_KICK,
	UMCG_COMMAND_SCHED_STATE	= UMCG_IOC_SCHED_STATE,
	UMCG_COMMAND_DESCHED_ADD	= UMCG_IOC_DESCHED_ADD,
	UMCG_COMMAND_DESCHED_REMOVE	= UMCG_IOC_DESCHED_REMOVE,
};

/* XA_FLAGS_ACCOUNT: a macro with a cast, which bindgen does not evaluate either. */
enum umcg_xarray_flags {
	UMCG_XA_FLAGS_ACCOUNT	= 32,
};

/*
 * xa_insert() and xa_cmpxchg() are inline. Puts an entry at an index that has none: 0, -EBUSY or
 * -ENOMEM; may sleep. Takes this very entry out, and returns whether it was there; may sleep on
 * PREEMPT_RT only.
 */
int umcg_xa_insert(struct xarray *xa, unsigned long index, void *entry);
bool umcg_xa_remove(struct xarray *xa, unsigned long index, void *entry);

/* A mutex that needs no initialisation: DEFINE_MUTEX() is a macro. */
void umcg_once_lock(void);
void umcg_once_unlock(void);

/*
 * The number of references to the module while it is removed: by force, if there is any. Zero at
 * any other time. Its state and counter depend on the kernel's configuration.
 */
unsigned int umcg_module_users(void);

/* Sleeps for some milliseconds, and counts as idle for it. The state is a macro. */
void umcg_idle(unsigned int ms);

/* Kills the process of a task, except init: the check is inline. */
void umcg_kill(struct task_struct *task);

/* Whether a program that is about to run has privileges that its caller did not have: a bit-field. */
bool umcg_gains_privileges(const struct linux_binprm *bprm);

/* raw_spin_lock_init() is a macro that needs a lock class of its own. */
void umcg_raw_spin_init(struct raw_spinlock *lock);
unsigned long umcg_raw_spin_lock_irqsave(struct raw_spinlock *lock);
void umcg_raw_spin_unlock_irqrestore(struct raw_spinlock *lock, unsigned long flags);

/*
 * Adds a notifier to the list of the current task as preempt_notifier_register() does,
 * but without enabling notifications, which cost every task something.
 */
void umcg_anchor(struct preempt_notifier *notifier);

/* set_current_state() and its debugging are macros. */
void umcg_set_current_state(unsigned int state);

/*
 * Fields of another task, which the caller keeps, at some moment of the call. Any context.
 */
unsigned int umcg_flags_of(const struct task_struct *task);
struct mm_struct *umcg_mm_of(const struct task_struct *task);
int umcg_pid_of(const struct task_struct *task);

/*
 * schedule(), in a function of its own that /proc/PID/wchan can name: names of Rust are mangled.
 * One for tasks that wait in a call, the other one for held workers.
 */
void umcg_wait(void);
void umcg_hold(void);

/*
 * Sleeps in the state that the caller has set, in umcg_hold() or umcg_wait(), until woken or until
 * CLOCK_REALTIME is @expires_ns. schedule_hrtimeout_range_clock() does this, but is not exported.
 * Returns whether the timeout has expired.
 */
bool umcg_sleep_until(__u64 expires_ns, bool holds);

/* Sleeps for so long, or until a signal is pending: then it returns true. Plainly named as well. */
bool umcg_wait_for_memory(unsigned int ms);

/*
 * Whether the current task is being killed, or exits. fatal_signal_pending() alone
 * becomes false when the signal was taken, long before the task has exited.
 */
bool umcg_is_dying(void);

/* The signals that have a handler, one bit each; the lowest bit is signal 1. */
__u64 umcg_handled_signals(void);

/* Whether a signal with this action has a handler: the special ones are macros with casts. */
bool umcg_has_handler(const struct k_sigaction *action);

/*
 * Sets of signals, as above: those that the current task blocks, apart from temporary changes by
 * a system call; and those that are pending for it.
 */
__u64 umcg_lastingly_blocked_signals(void);
__u64 umcg_pending_signals(void);

/*
 * Makes @signal pending for the current task, which blocks it, without a queue entry; and undoes
 * that, unless it was sent meanwhile. May sleep on PREEMPT_RT.
 */
void umcg_post_sentinel(unsigned int signal);
void umcg_withdraw_sentinel(unsigned int signal);

/* The CPU time of the current task up to now, in nanoseconds. May sleep. */
__u64 umcg_own_runtime(void);

/* Flags of the current thread: inline. */
void umcg_set_signal_pending(void);
void umcg_set_need_resched_lazy(void);
void umcg_set_notify_resume(void);
void umcg_set_notify_signal(void);

/* Macros. */
void umcg_preempt_disable(void);
void umcg_preempt_enable(void);

/* irqs_disabled(): a macro. */
bool umcg_irqs_disabled(void);

/* copy_struct_from_user(): 0, -EFAULT, or -E2BIG. */
int umcg_copy_struct_from_user(void *dst, __u64 size, __u64 user_ptr, __u64 user_size);

/*
 * By how many nanoseconds CLOCK_MONOTONIC of the current task is ahead of ktime_get(): in its
 * time namespace. For tasks that are not exiting.
 */
__s64 umcg_monotonic_offset(void);

/* Whether the current task has CAP_SYS_PTRACE in the initial user namespace. */
bool umcg_may_see_all(void);

/* page_address(): inline or a macro. */
void *umcg_page_address(const struct page *page);

/* The folio of a page that the caller keeps: its address in the direct map, and its size. */
struct umcg_folio {
	void *address;
	unsigned long pages;
	/* The number of the page in it. */
	unsigned long index;
};

/* page_folio() and its kin: macros, or inline. */
struct umcg_folio umcg_folio_of(struct page *page);

/* Marks the folio of a page dirty, unless it is: an inline test. May sleep. */
void umcg_mark_dirty(struct page *page);

/*
 * Charges pages to mm_struct::pinned_vm, an atomic without accessors. -ENOMEM beyond
 * RLIMIT_MEMLOCK of the current task, unless it may exceed that.
 */
int umcg_charge_pinned_pages(struct mm_struct *mm, unsigned long pages, bool may_exceed);
void umcg_uncharge_pinned_pages(struct mm_struct *mm, unsigned long pages);

/*
 * Whether a mapping is shared, VM_MAYSHARE: Rust's constant is wrong in Linux 7.2. The caller may
 * read the flags of the mapping.
 */
bool umcg_is_shared(const struct vm_area_struct *vma);

/* get_page(): inline. */
void umcg_get_page(struct page *page);

/* task_is_runnable(): inline, and checks more than one field. */
bool umcg_is_runnable(struct task_struct *task);

/*
 * A store to user memory: @width is 1, 2, 4 or 8, @address a multiple of it, and
 * access_ok().
 */
struct umcg_user_store {
	__u64 address;
	__u64 value;
	/* umcg_protection_keys() when the store was added. */
	__u32 keys;
	__u16 width;
	/* Write the time instead. */
	__u16 is_time;
};

/* The protection key rights of the current thread; inline, and only on some architectures. */
__u32 umcg_protection_keys(void);

/*
 * unsafe_put_user(): a macro. Writes those of @stores whose bit is set in @which, at
 * least one, to the current address space, if possible without a fault. Any context.
 * Returns the bits of those that were not written.
 */
unsigned int umcg_store_user_nofault(const struct umcg_user_store stores[], unsigned int which,
				     __u64 now);

/*
 * put_user(): a macro. 0 or -EFAULT; may sleep. With the protection key rights of the thread, or
 * else with those of the store.
 */
int umcg_store_user(const struct umcg_user_store *store, __u64 now);

/*
 * Forces SIGSEGV for @address on the current thread, as force_sig_fault() does, which is not
 * exported. @is_mapped selects the code, SEGV_ACCERR or SEGV_MAPERR.
 */
void umcg_segfault(__u64 address, bool is_mapped);

/* INIT_DELAYED_WORK() needs a lock class of its own. */
void umcg_init_delayed_work(struct delayed_work *work, void (*run)(struct work_struct *work));

/*
 * alloc_workqueue(): a macro. With a rescuer, so that it needs no memory to make
 * progress. NULL without memory.
 */
struct workqueue_struct *umcg_alloc_workqueue(void);

/* Macros. */
void umcg_init_waitqueue(struct wait_queue_head *queue);
void umcg_wake_all(struct wait_queue_head *queue);

/*
 * wait_event_killable_timeout(), a macro. Returns the same: zero if @condition is false
 * and the timeout has expired, less if the task is being killed.
 */
long umcg_wait_killable(struct wait_queue_head *queue, bool (*condition)(void *data), void *data,
			unsigned int timeout_ms);

/*
 * Attaching to sched_entry_tp goes through the kernel's own inline function, so that the
 * compiler checks the probe's prototype. The tracepoints found by name are not checked:
 * their probes use no arguments.
 */
int umcg_register_sched_entry(void (*probe)(void *data, bool preempt));
int umcg_unregister_sched_entry(void (*probe)(void *data, bool preempt));

/* tracepoint_synchronize_unregister() is inline. */
void umcg_tracepoint_synchronize(void);

#endif /* _UMCG_SYS_HELPERS_H */
