// SPDX-License-Identifier: GPL-2.0

// Bugs of the crate `umcg`: the file, the right text in it, the wrong one, the scenario that finds
// the bug, and the failure. Of a text with `[[ ]]` only that part is replaced.
bugs! {
    // The words of a group.
    check_for_work_skips_the_kernels_list:
        "rust/src/raw/direct.rs",
        "[[self.has_new_workers()]] || self.queued.load(Ordering::SeqCst) != 0" => "false",
        two_workers, "deadlock";
    check_for_work_skips_the_queue:
        "rust/src/raw/direct.rs",
        "self.has_new_workers() || [[self.queued.load(Ordering::SeqCst) != 0]]" => "false",
        two_workers, "deadlock";
    check_for_work_has_no_barrier:
        "rust/src/raw/direct.rs",
        "pub(crate) fn has_new_workers(&self) -> bool { [[before_look();]]" => "",
        two_workers, "deadlock";
    list_is_taken_twice:
        "rust/src/raw/direct.rs",
        "self.idle_workers.swap(0, Ordering::SeqCst)" =>
        "let all = self.idle_workers.load(Ordering::SeqCst);
        self.idle_workers.store(0, Ordering::SeqCst);
        all",
        two_workers, "deadlock";
    list_is_taken_without_acquire:
        "rust/src/raw/direct.rs",
        "self.idle_workers.swap(0, [[Ordering::SeqCst]])" => "Ordering::Relaxed",
        two_workers, "deadlock";
    number_of_queued_workers_is_not_published:
        "rust/src/raw/direct.rs",
        "self.queued.store([[workers]], Ordering::SeqCst);" => "let _ = workers; 0",
        refusing_policy, "deadlock";
    server_keeps_its_worker_in_the_set:
        "rust/src/raw/direct.rs",
        "of_server(&self.running, nr).store(0, Ordering::Relaxed);" => "",
        two_workers, "a server has a worker already";
    server_is_put_by_two_steps:
        "rust/src/raw/direct.rs",
        "self.idle_servers.fetch_or(servers, Ordering::SeqCst);" =>
        "let set = self.idle_servers.load(Ordering::SeqCst);
        self.idle_servers.store(set | servers, Ordering::SeqCst);",
        two_at_once, "deadlock";
    server_in_the_set_does_not_check:
        "rust/src/raw/direct.rs",
        "[[needed()]] && self.take_back(nr)" => "false",
        two_workers, "deadlock";
    server_that_was_taken_continues:
        "rust/src/raw/direct.rs",
        "needed() && [[self.take_back(nr)]]" => "true",
        two_workers, "a worker runs under a server that is RUNNING, too";
    server_checks_before_it_is_in_the_set:
        "rust/src/raw/direct.rs",
        "self.put(1 << nr); needed() && self.take_back(nr)" =>
        "let is_needed = needed();
        self.put(1 << nr);
        is_needed && self.take_back(nr)",
        two_workers, "deadlock";
    server_is_taken_back_by_two_steps:
        "rust/src/raw/direct.rs",
        "self.idle_servers.fetch_and(!(1 << nr), Ordering::SeqCst) & (1 << nr) != 0" =>
        "let set = self.idle_servers.load(Ordering::SeqCst);
        self.idle_servers.store(set & !(1 << nr), Ordering::SeqCst);
        set & (1 << nr) != 0",
        refusing_policy, "deadlock";
    server_is_taken_by_two:
        "rust/src/raw/direct.rs",
        "match [[self.idle_servers.compare_exchange( set, without, Ordering::SeqCst, Ordering::SeqCst, )]]" =>
        "self.idle_servers.store(without, Ordering::SeqCst);
        Ok::<u64, u64>(set)",
        supply_against_wake, "Causality violation";
    worker_under_a_server_is_not_published:
        "rust/src/raw/direct.rs",
        "of_server(&self.running, nr).store(tid, Ordering::Relaxed);" => "let _ = tid;",
        slices, "deadlock";
    watcher_is_not_armed:
        "rust/src/raw/direct.rs",
        "self.watcher_tid.store(tid, Ordering::SeqCst);" => "let _ = tid;",
        ticker_against_end, "deadlock";
    watcher_is_forgotten:
        "rust/src/raw/direct.rs",
        "self.watcher_tid.load(Ordering::SeqCst) != 0 && self.watcher_tid.swap(0, Ordering::SeqCst) != 0" =>
        "false",
        ticker_against_end, "deadlock";

    // Offers to the policy.
    offers_are_not_counted:
        "rust/src/raw/offers.rs",
        "self.0.fetch_add(1, Ordering::SeqCst);" => "",
        refusing_policy, "deadlock";
    offers_are_not_checked:
        "rust/src/engine/server.rs",
        "|| [[shared.offers.changed_since(seen)]] || shared.members.is_over()" => "false",
        refusing_policy, "deadlock";

    // The members of a group.
    closed_group_takes_workers:
        "rust/src/raw/members.rs",
        "if [[word & CLOSED != 0]] {" => "false",
        enter_against_shutdown, "deadlock";
    two_enter_as_one:
        "rust/src/raw/members.rs",
        "match [[self .0 .compare_exchange(word, word + 1, Ordering::Relaxed, Ordering::Relaxed)]]" =>
        "self.0.store(word + 1, Ordering::Relaxed);
        Ok::<u32, u32>(word)",
        enter_against_shutdown, "deadlock";
    group_is_closed_by_two_steps:
        "rust/src/raw/members.rs",
        "match [[self .0 .compare_exchange(word, word | CLOSED, Ordering::SeqCst, Ordering::Relaxed)]]" =>
        "self.0.store(word | CLOSED, Ordering::SeqCst);
        Ok::<u32, u32>(word)",
        enter_against_shutdown, "closed with a worker in it";
    group_with_workers_is_closed:
        "rust/src/raw/members.rs",
        "while [[word & COUNT == 0]] {" => "true",
        enter_against_shutdown, "closed with a worker in it";
    leave_is_lost:
        "rust/src/raw/members.rs",
        "self.0.fetch_sub(1, Ordering::SeqCst) - 1" =>
        "let left = self.0.load(Ordering::SeqCst) - 1;
        self.0.store(left, Ordering::SeqCst);
        left",
        leave_against_close, "deadlock";
    last_worker_wakes_nobody:
        "rust/src/raw/members.rs",
        "awaited: [[word & (AWAITED | COUNT) == AWAITED]]," => "false",
        wait_for_workers, "deadlock";
    waiter_for_workers_is_not_marked:
        "rust/src/raw/members.rs",
        "self.0.fetch_or(AWAITED, Ordering::Acquire) | AWAITED" => "self.0.load(Ordering::Acquire)",
        wait_for_workers, "deadlock";
    open_group_is_over:
        "rust/src/raw/members.rs",
        "[[word & CLOSED != 0]] && word & COUNT == 0" => "true",
        whole_life, "deadlock";
    group_with_workers_is_over:
        "rust/src/raw/members.rs",
        "word & CLOSED != 0 && [[word & COUNT == 0]]" => "true",
        two_workers, "deadlock";

    // The lock of the scheduler.
    lock_is_taken_by_two:
        "rust/src/raw/lock.rs",
        "let taken = [[self .word .compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed)]];" =>
        "self.word.store(TAKEN, Ordering::Relaxed);
        Ok::<u32, u32>(FREE)",
        refusing_policy, "Causality violation";
    lock_wakes_nobody:
        "rust/src/raw/lock.rs",
        "futex::wake(&self.lock.word, 1);" => "",
        two_at_once, "deadlock";
    waiter_for_a_lock_is_not_marked:
        "rust/src/raw/lock.rs",
        "while self.word.swap([[AWAITED]], Ordering::Acquire) != FREE {" => "TAKEN",
        two_at_once, "Model exceeded maximum number of branches";

    // The list of the kernel.
    taken_workers_are_not_linked:
        "rust/src/raw/list.rs",
        "record.link.set(first); first = Some(record);" => "first = Some(record);",
        two_workers, "deadlock";
    link_that_is_not_written_is_followed:
        "rust/src/raw/task.rs",
        "abi::IDLE_NODE_PENDING => [[thread::yield_cpu()]]," => "return 0",
        two_workers, "deadlock";

    // The words of a thread.
    state_is_changed_without_release:
        "rust/src/raw/task.rs",
        ".compare_exchange(word, new, [[Ordering::AcqRel]], Ordering::Relaxed)" => "Ordering::Relaxed",
        whole_life, "killed: its word is invalid";
    state_is_changed_by_two_steps:
        "rust/src/raw/task.rs",
        "match [[self .state .compare_exchange(word, new, Ordering::AcqRel, Ordering::Relaxed)]]" =>
        "self.state.store(new, Ordering::Release);
        Ok::<u64, u64>(word)",
        kick_against_block, "deadlock";
    preempted_worker_is_not_claimed:
        "rust/src/raw/task.rs",
        "|| [[self.change(State::IDLE.preempted(), claimed, now_ns)]]" => "false",
        kick_against_block, "deadlock";
    claimed_worker_stays_locked:
        "rust/src/raw/task.rs",
        "self.change(locked, State::RUNNING, now_ns)
            || self.change(locked.preempted(), State::RUNNING, now_ns)" => "true",
        whole_life, "deadlock";
    leaving_worker_is_not_locked:
        "rust/src/engine/worker.rs",
        "record.task.lock_self(thread::monotonic_ns());" => "",
        whole_life, "a worker that runs unregisters, and its server sleeps";
    kick_in_a_section_is_forgotten:
        "rust/src/raw/task.rs",
        "self.end_section() == 0 && [[self.is_to_give_way()]]" => "false",
        kick_in_a_section, "the kick is forgotten";
    section_is_not_begun:
        "rust/src/raw/task.rs",
        ".store([[sections.wrapping_add(1)]], Ordering::Relaxed);" => "sections",
        kick_in_a_section, "preempted in a critical section";

    kernel_honours_no_sections:
        "rust/src/engine/worker.rs",
        "abi::CTL_WORKER | abi::CTL_DIRECT | [[abi::CTL_CRITICAL]];" => "0",
        kick_in_a_section, "preempted in a critical section";

    // Servers.
    server_runs_a_worker_and_stays_running:
        "rust/src/engine/server.rs",
        "task.change(State::RUNNING, State::IDLE, thread::monotonic_ns()); task.set_next_tid(worker.tid());" =>
        "task.set_next_tid(worker.tid());",
        whole_life, "a worker runs under a server that is RUNNING, too";
    server_gives_and_does_not_sleep:
        "rust/src/engine/server.rs",
        "return; } [[sleep(self.record);]]" => "",
        two_workers, "deadlock";
    server_sleeps_for_a_worker_that_is_gone:
        "rust/src/engine/server.rs",
        "if [[!self.give(self.nr, worker)]] {" => "!self.give(self.nr, worker) && false",
        queued_worker_dies, "deadlock";
    idle_server_does_not_check_for_workers:
        "rust/src/engine/server.rs",
        "let is_needed = || { [[shared.words.has_new_workers()]] ||" => "false",
        whole_life, "deadlock";
    idle_server_does_not_check_for_the_end:
        "rust/src/engine/server.rs",
        "shared.offers.changed_since(seen) || [[shared.members.is_over()]]" => "false",
        leave_against_close, "deadlock";
    idle_server_stays_running:
        "rust/src/engine/server.rs",
        "[[task.change(State::RUNNING, State::IDLE, thread::monotonic_ns());]] task.set_next_tid(0); //" =>
        "",
        two_workers, "Model exceeded maximum number of branches";
    others_get_no_workers:
        "rust/src/engine/server.rs",
        "server.supply_others();" => "",
        refusing_policy, "deadlock";
    other_server_gets_a_worker_that_sleeps_on:
        "rust/src/engine/server.rs",
        "Ok(worker) if self.give(nr, worker) => [[self.wake(worker)]]," => "",
        refusing_policy, "deadlock";
    refused_servers_are_not_put_back:
        "rust/src/engine/server.rs",
        "shared.words.put(refused);" => "let _ = refused;",
        refusing_policy, "deadlock";
    ticker_is_not_started:
        "rust/src/engine/server.rs",
        "server.start_ticker();" => "",
        refused_worker_is_left, "deadlock";
    server_that_names_a_thread_that_left_does_not_sleep:
        "rust/src/engine/server.rs",
        "Err(Errno(libc::ESRCH)) => [[record.task.set_next_tid(0)]]," => "",
        whole_life, "Model exceeded maximum number of branches";

    // The shared state.
    queued_workers_are_not_taken_in:
        "rust/src/engine/shared.rs",
        "let mut scheduler = self.scheduler.lock(); [[self.take_in(&mut scheduler);]]" => "",
        two_workers, "Model exceeded maximum number of branches";

    refused_servers_stay_so:
        "rust/src/engine/shared.rs",
        "scheduler.offer(worker, worker.reason()); } [[self.words.refuse_no_server();]]" => "",
        refused_before, "deadlock";
    server_that_refuses_does_not_check_again:
        "rust/src/engine/server.rs",
        "if [[shared.words.has_new_workers()]] { shared.offer_new_workers(); }" => "false",
        refused_and_back, "deadlock";
    new_workers_are_seen_and_not_offered:
        "rust/src/engine/server.rs",
        "[[if shared.words.has_new_workers() { shared.offer_new_workers(); }
            if !shared.offers.changed_since(seen) { return; }]]" =>
        "if !shared.words.has_new_workers() && !shared.offers.changed_since(seen) { return; }",
        refused_and_back, "deadlock";

    // Workers.
    leaving_worker_keeps_its_server:
        "rust/src/engine/worker.rs",
        "[[give_up_server(shared, record);]] end::unregister();" => "",
        whole_life, "deadlock";
    leaving_worker_does_not_check_for_the_end:
        "rust/src/engine/worker.rs",
        "let is_needed = || shared.words.has_work() || [[shared.members.is_over()]];" => "false",
        two_workers, "deadlock";
    leaving_worker_does_not_check_for_work:
        "rust/src/engine/worker.rs",
        "let is_needed = || [[shared.words.has_work()]] || shared.members.is_over();" => "false",
        two_workers, "deadlock";
    leaving_worker_is_counted_too_late:
        "rust/src/engine/worker.rs",
        "count_leave(shared); give_up_server(shared, record);" =>
        "give_up_server(shared, record);
        count_leave(shared);",
        two_workers, "deadlock";
    worker_yields_to_nobody:
        "rust/src/engine/worker.rs",
        "device::kick(record.tid(), true).is_err()" => "true",
        yielding, "it has not yielded";

    // The end.
    started_server_stays_idle:
        "rust/src/engine/end.rs",
        "other .task .change(State::IDLE, State::RUNNING, thread::monotonic_ns());" => "",
        whole_life, "deadlock";
    started_server_sleeps_on:
        "rust/src/engine/end.rs",
        "let _ = device::wake();" => "",
        whole_life, "deadlock";
    ticker_is_not_dismissed:
        "rust/src/engine/end.rs",
        "if [[shared.words.take_watcher()]] { start(own, shared.ticker); }" => "false",
        ticker_against_end, "deadlock";
    closed_group_is_not_ended:
        "rust/src/engine/end.rs",
        "if [[shared.members.is_over()]] { dismiss(shared, own); }" => "false",
        whole_life, "deadlock";

    // The ticker.
    ticker_does_not_check_for_work:
        "rust/src/engine/ticker.rs",
        "let is_needed = [[shared.words.has_work()]] || shared.members.is_over();" => "false",
        ticker_against_queue, "deadlock";
    ticker_does_not_check_for_the_end:
        "rust/src/engine/ticker.rs",
        "let is_needed = shared.words.has_work() || [[shared.members.is_over()]];" => "false",
        ticker_against_end, "deadlock";
    ticker_sleeps_while_it_runs:
        "rust/src/engine/ticker.rs",
        "task.change(State::RUNNING, State::IDLE, thread::monotonic_ns());" => "",
        ticker_against_end, "Model exceeded maximum number of branches";
}
