// SPDX-License-Identifier: GPL-2.0

#include <linux/binfmts.h>
#include <linux/capability.h>
#include <linux/hrtimer.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/spinlock.h>
#include <linux/time_namespace.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <trace/events/sched.h>
#ifdef CONFIG_X86
#include <asm/pkru.h>
#endif

#include "helpers.h"

/* A set of signals is one word: 64-bit kernels only. */
static_assert(_NSIG == BITS_PER_LONG);

static_assert((__force unsigned int)XA_FLAGS_ACCOUNT == UMCG_XA_FLAGS_ACCOUNT);

/* The ABI. That Rust sees the same is asserted in the output of bindgen. */
static_assert(sizeof(struct umcg_task) == 64 && __alignof__(struct umcg_task) == 64);
static_assert(offsetof(struct umcg_task, state_ts) == 0);
static_assert(offsetof(struct umcg_task, next_tid) == 8);
static_assert(offsetof(struct umcg_task, flags) == 12);
static_assert(offsetof(struct umcg_task, idle_workers_ptr) == 16);
static_assert(offsetof(struct umcg_task, idle_server_tid_ptr) == 24);
static_assert(offsetof(struct umcg_task, server_nr) == 32);
static_assert(offsetof(struct umcg_task, critical) == 36);
static_assert(offsetof(struct umcg_task, signals) == 40);
static_assert(sizeof(struct umcg_direct_group) == 1088);
static_assert(offsetof(struct umcg_direct_group, idle_workers) == 8);
static_assert(offsetof(struct umcg_direct_group, idle_servers) == 16);
static_assert(offsetof(struct umcg_direct_group, ready_ends) == 24);
static_assert(offsetof(struct umcg_direct_group, queued) == 32);
static_assert(offsetof(struct umcg_direct_group, server_tid) == 64);
static_assert(offsetof(struct umcg_direct_group, running) == 320);
static_assert(offsetof(struct umcg_direct_group, ready) == 576);
static_assert(sizeof(struct umcg_ctl_args) == 32);
static_assert(sizeof(struct umcg_wait_args) == 16);
static_assert(sizeof(struct umcg_kick_args) == 16);
static_assert(sizeof(struct umcg_version_args) == 24);
static_assert(sizeof(struct umcg_sched_state) == 64 &&
	      __alignof__(struct umcg_sched_state) == 64);
static_assert(offsetof(struct umcg_sched_state, version) == 0);
static_assert(offsetof(struct umcg_sched_state, state) == 4);
static_assert(offsetof(struct umcg_sched_state, tid) == 8);
static_assert(offsetof(struct umcg_sched_state, seq) == 12);
static_assert(offsetof(struct umcg_sched_state, off_ns) == 16);
static_assert(offsetof(struct umcg_sched_state, on_ns) == 24);
static_assert(offsetof(struct umcg_sched_state, cpu) == 32);
static_assert(offsetof(struct umcg_sched_state, vcpu) == 36);
static_assert(sizeof(struct umcg_sched_state_args) == 16);
static_assert(sizeof(struct umcg_desched_args) == 40);

int umcg_xa_insert(struct xarray *xa, unsigned long index, void *entry)
{
	return xa_insert(xa, index, entry, GFP_KERNEL);
}

bool umcg_xa_remove(struct xarray *xa, unsigned long index, void *entry)
{
	return xa_cmpxchg(xa, index, entry, NULL, 0) == entry;
}

static DEFINE_MUTEX(once);

void umcg_once_lock(void)
{
	mutex_lock(&once);
}

void umcg_once_unlock(void)
{
	mutex_unlock(&once);
}

unsigned int umcg_module_users(void)
{
#ifdef CONFIG_MODULE_UNLOAD
	/* While it is loaded it has references of its own; if loading fails, it was never used. */
	if (READ_ONCE(THIS_MODULE->state) == MODULE_STATE_GOING)
		return max(module_refcount(THIS_MODULE), 0);
#endif
	return 0;
}

void umcg_idle(unsigned int ms)
{
	__set_current_state(TASK_IDLE | TASK_FREEZABLE);
	schedule_timeout(msecs_to_jiffies(ms));
}

void umcg_kill(struct task_struct *task)
{
	if (!is_global_init(task))
		send_sig(SIGKILL, task, 1);
}

bool umcg_gains_privileges(const struct linux_binprm *bprm)
{
	return bprm->secureexec;
}

void umcg_raw_spin_init(struct raw_spinlock *lock)
{
	raw_spin_lock_init(lock);
}

unsigned long umcg_raw_spin_lock_irqsave(struct raw_spinlock *lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(lock, flags);
	return flags;
}

void umcg_raw_spin_unlock_irqrestore(struct raw_spinlock *lock, unsigned long flags)
{
	raw_spin_unlock_irqrestore(lock, flags);
}

void umcg_anchor(struct preempt_notifier *notifier)
{
	hlist_add_head(&notifier->link, &current->preempt_notifiers);
}

void umcg_set_current_state(unsigned int state)
{
	set_current_state(state);
}

/*
 * data_race(): the task writes its fields plainly when it exits or calls exec. Each is one word;
 * the reader may get the old value, as if it had read a little earlier.
 */
unsigned int umcg_flags_of(const struct task_struct *task)
{
	return data_race(READ_ONCE(task->flags));
}

struct mm_struct *umcg_mm_of(const struct task_struct *task)
{
	return data_race(READ_ONCE(task->mm));
}

int umcg_pid_of(const struct task_struct *task)
{
	return data_race(READ_ONCE(task->pid));
}

/*
 * The code after schedule() prevents a tail call, which would remove this function from the stack;
 * and it differs, so that the compiler does not merge both functions.
 */
noinline void umcg_wait(void)
{
	schedule();
	asm volatile("" : : "i" (0) : "memory");
}

noinline void umcg_hold(void)
{
	schedule();
	asm volatile("" : : "i" (1) : "memory");
}

__s64 umcg_monotonic_offset(void)
{
	struct timespec64 offset = {};

	timens_add_monotonic(&offset);
	return timespec64_to_ns(&offset);
}

bool umcg_sleep_until(__u64 expires_ns, bool holds)
{
	/* User space may pass any value: a time beyond the range of ktime_t never comes. */
	ktime_t expires = ns_to_ktime(min_t(u64, expires_ns, KTIME_MAX));
	struct hrtimer_sleeper sleeper;

	hrtimer_setup_sleeper_on_stack(&sleeper, CLOCK_REALTIME, HRTIMER_MODE_ABS);
	hrtimer_set_expires_range_ns(&sleeper.timer, expires, current->timer_slack_ns);
	hrtimer_sleeper_start_expires(&sleeper, HRTIMER_MODE_ABS);

	if (unlikely(!sleeper.task))
		__set_current_state(TASK_RUNNING);
	else if (holds)
		umcg_hold();
	else
		umcg_wait();

	hrtimer_cancel(&sleeper.timer);
	destroy_hrtimer_on_stack(&sleeper.timer);

	/* The timer's callback clears the task when it has woken it. */
	return !sleeper.task;
}

noinline bool umcg_wait_for_memory(unsigned int ms)
{
	set_current_state(TASK_INTERRUPTIBLE | TASK_FREEZABLE);
	schedule_timeout(msecs_to_jiffies(ms));
	return signal_pending(current);
}

bool umcg_is_dying(void)
{
	/* Races with a sender, which wakes the task after it has made the signal pending. */
	return data_race(fatal_signal_pending(current)) ||
	       current->flags & (PF_POSTCOREDUMP | PF_EXITING) ||
	       READ_ONCE(current->signal->flags) & SIGNAL_GROUP_EXIT;
}

__u64 umcg_handled_signals(void)
{
	u64 handled = 0;

	/* Other threads may change an action at any time. */
	for (int i = 0; i < _NSIG; i++) {
		__sighandler_t handler = READ_ONCE(current->sighand->action[i].sa.sa_handler);

		if (handler != SIG_DFL && handler != SIG_IGN)
			handled |= BIT_ULL(i);
	}

	return handled;
}

bool umcg_has_handler(const struct k_sigaction *action)
{
	__sighandler_t handler = action->sa.sa_handler;

	return handler != SIG_DFL && handler != SIG_IGN;
}

__u64 umcg_lastingly_blocked_signals(void)
{
	return sigmask_to_save()->sig[0];
}

__u64 umcg_pending_signals(void)
{
	return READ_ONCE(current->pending.signal.sig[0]) |
	       READ_ONCE(current->signal->shared_pending.signal.sig[0]);
}

void umcg_post_sentinel(unsigned int signal)
{
	spin_lock_irq(&current->sighand->siglock);
	sigaddset(&current->pending.signal, signal);
	spin_unlock_irq(&current->sighand->siglock);
}

void umcg_withdraw_sentinel(unsigned int signal)
{
	struct sigqueue *entry;
	bool sent = false;

	/*
	 * TIF_SIGPENDING stays set: it may be needed for the restart of a system call, and is
	 * recalculated where signals are checked.
	 */
	spin_lock_irq(&current->sighand->siglock);
	list_for_each_entry(entry, &current->pending.list, list)
		sent |= entry->info.si_signo == signal;
	if (!sent)
		sigdelset(&current->pending.signal, signal);
	spin_unlock_irq(&current->sighand->siglock);
}

__u64 umcg_own_runtime(void)
{
	/* The scheduler updates it, here and at each tick. */
	schedule();
	return READ_ONCE(current->se.sum_exec_runtime);
}

void umcg_set_signal_pending(void)
{
	set_thread_flag(TIF_SIGPENDING);
}

void umcg_set_need_resched_lazy(void)
{
	/* Acted upon at the return to user mode, not at the next preemption point. */
	set_thread_flag(TIF_NEED_RESCHED_LAZY);
}

void umcg_set_notify_resume(void)
{
	set_thread_flag(TIF_NOTIFY_RESUME);
}

void umcg_set_notify_signal(void)
{
	set_thread_flag(TIF_NOTIFY_SIGNAL);
}

void umcg_preempt_disable(void)
{
	preempt_disable();
}

void umcg_preempt_enable(void)
{
	preempt_enable();
}

bool umcg_irqs_disabled(void)
{
	return irqs_disabled();
}

int umcg_copy_struct_from_user(void *dst, __u64 size, __u64 user_ptr, __u64 user_size)
{
	return copy_struct_from_user(dst, size, u64_to_user_ptr(user_ptr), user_size);
}

bool umcg_may_see_all(void)
{
	return capable(CAP_SYS_PTRACE);
}

void *umcg_page_address(const struct page *page)
{
	return page_address(page);
}

struct umcg_folio umcg_folio_of(struct page *page)
{
	struct folio *folio = page_folio(page);

	return (struct umcg_folio){
		.address = folio_address(folio),
		.pages = folio_nr_pages(folio),
		.index = folio_page_idx(folio, page),
	};
}

void umcg_mark_dirty(struct page *page)
{
	if (!folio_test_dirty(page_folio(page)))
		set_page_dirty_lock(page);
}

int umcg_charge_pinned_pages(struct mm_struct *mm, unsigned long pages, bool may_exceed)
{
	const u64 limit = may_exceed ? S64_MAX : rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	s64 pinned = atomic64_read(&mm->pinned_vm);

	/* Others charge there as well: no charge may fail because of one that is reverted. */
	do {
		if (pinned + pages > limit)
			return -ENOMEM;
	} while (!atomic64_try_cmpxchg(&mm->pinned_vm, &pinned, pinned + pages));

	return 0;
}

void umcg_uncharge_pinned_pages(struct mm_struct *mm, unsigned long pages)
{
	atomic64_sub(pages, &mm->pinned_vm);
}

bool umcg_is_shared(const struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_MAYSHARE;
}

void umcg_get_page(struct page *page)
{
	get_page(page);
}

bool umcg_is_runnable(struct task_struct *task)
{
	return task_is_runnable(task);
}

/*
 * data_race(): the hook may interrupt its own task while that accesses the counter of disabled
 * page faults. Like an interrupt handler, it restores the counter before the task continues.
 */
unsigned int umcg_store_user_nofault(const struct umcg_user_store stores[], unsigned int which,
				     __u64 now)
{
	const struct umcg_user_store *first = &stores[__ffs(which)];
	unsigned int failed = which;

	/* A task that has released its address space has that of another task loaded. */
	if (unlikely(!current->mm))
		return failed;

	(void)data_race(({ pagefault_disable(); 0; }));
	/* One check for all of them: every address was checked when it was added. */
	if (!user_write_access_begin(u64_to_user_ptr(first->address), first->width))
		goto out;
	for (; which; which &= which - 1) {
		const struct umcg_user_store *store = &stores[__ffs(which)];
		void __user *to = u64_to_user_ptr(store->address);
		u64 value = store->is_time ? now : store->value;

		switch (store->width) {
		case 1:
			unsafe_put_user((u8)value, (u8 __user *)to, next);
			break;
		case 2:
			unsafe_put_user((u16)value, (u16 __user *)to, next);
			break;
		case 4:
			unsafe_put_user((u32)value, (u32 __user *)to, next);
			break;
		case 8:
			unsafe_put_user(value, (u64 __user *)to, next);
			break;
		}
		failed &= ~BIT(__ffs(which));
next:;
	}
	user_write_access_end();
out:
	(void)data_race(({ pagefault_enable(); 0; }));
	return failed;
}

#ifdef CONFIG_X86
__u32 umcg_protection_keys(void)
{
	return read_pkru();
}

/* While it is set, the scheduler preserves it for the task like any other value. */
static void set_protection_keys(u32 keys)
{
	write_pkru(keys);
}
#else
__u32 umcg_protection_keys(void)
{
	return 0;
}

static void set_protection_keys(u32 keys)
{
}
#endif

static int put_value(const struct umcg_user_store *store, u64 now)
{
	void __user *to = u64_to_user_ptr(store->address);
	u64 value = store->is_time ? now : store->value;

	switch (store->width) {
	case 1:
		return put_user((u8)value, (u8 __user *)to);
	case 2:
		return put_user((u16)value, (u16 __user *)to);
	case 4:
		return put_user((u32)value, (u32 __user *)to);
	default:
		return put_user(value, (u64 __user *)to);
	}
}

int umcg_store_user(const struct umcg_user_store *store, __u64 now)
{
	const u32 keys = umcg_protection_keys();
	int err = put_value(store, now);

	if (err && keys != store->keys) {
		set_protection_keys(store->keys);
		err = put_value(store, now);
		set_protection_keys(keys);
	}

	return err;
}

void umcg_segfault(__u64 address, bool is_mapped)
{
	struct kernel_siginfo info;

	clear_siginfo(&info);
	info.si_signo = SIGSEGV;
	info.si_code = is_mapped ? SEGV_ACCERR : SEGV_MAPERR;
	info.si_addr = (void __user *)address;
	/* Pending, unless it is ignored. The next one forces it. */
	send_sig_info(SIGSEGV, &info, current);
	force_sig(SIGSEGV);
}

void umcg_init_delayed_work(struct delayed_work *work, void (*run)(struct work_struct *work))
{
	INIT_DELAYED_WORK(work, run);
}

struct workqueue_struct *umcg_alloc_workqueue(void)
{
	return alloc_workqueue("umcg", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
}

void umcg_init_waitqueue(struct wait_queue_head *queue)
{
	init_waitqueue_head(queue);
}

void umcg_wake_all(struct wait_queue_head *queue)
{
	wake_up_all(queue);
}

long umcg_wait_killable(struct wait_queue_head *queue, bool (*condition)(void *data), void *data,
			unsigned int timeout_ms)
{
	return wait_event_killable_timeout(*queue, condition(data), msecs_to_jiffies(timeout_ms));
}

int umcg_register_sched_entry(void (*probe)(void *data, bool preempt))
{
	return register_trace_sched_entry_tp(probe, NULL);
}

int umcg_unregister_sched_entry(void (*probe)(void *data, bool preempt))
{
	return unregister_trace_sched_entry_tp(probe, NULL);
}

void umcg_tracepoint_synchronize(void)
{
	tracepoint_synchronize_unregister();
}
