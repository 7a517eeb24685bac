// SPDX-License-Identifier: GPL-2.0

// Bugs of libumcg, in the format of `engine_bugs.rs`.
bugs! {
    // Remembered wake-ups.
    wake_ups_merge:
        "c/src/raw/record.rs",
        "self.wakeups.fetch_add(1, Ordering::SeqCst);" => "self.wakeups.store(1, Ordering::SeqCst);",
        wait_against_wakes, "deadlock";
    wake_up_is_taken_by_two:
        "c/src/raw/record.rs",
        "match [[self.wakeups.compare_exchange_weak( wakeups, wakeups - 1, Ordering::SeqCst, Ordering::SeqCst, )]]" =>
        "self.wakeups.store(wakeups - 1, Ordering::SeqCst); Ok::<u64, u64>(wakeups)",
        wait_against_wakes, "deadlock";
    wake_up_without_a_look:
        "c/src/wait.rs",
        "[[if task.bits() != IDLE | WAITS || !task.take_wakeup() { return false; }]]" => "return false;",
        wait_against_wakes, "deadlock";
    wait_without_a_check:
        "c/src/wait.rs",
        "before this check. if [[me.take_wakeup()]] {" => "false",
        wait_against_wakes, "deadlock";
    two_wake_ups_end_one_wait:
        "c/src/wait.rs",
        "if [[!me.task.turn(IDLE | WAITS, RUNNING)]] { me.give_wakeup();" =>
        "me.task.turn(IDLE | WAITS, RUNNING); false",
        wait_against_wakes, "deadlock";
    wake_up_at_the_timeout_is_lost:
        "c/src/wait.rs",
        "let was_woken = [[!me.task.turn(IDLE | WAITS, RUNNING)]];" =>
        "me.task.turn(IDLE | WAITS, RUNNING); false",
        timeout_against_wake, "deadlock";
    wake_up_at_the_timeout_has_no_order:
        "c/src/wait.rs",
        "fence(Ordering::Acquire);" => "",
        timeout_against_wake, "the waker is not seen";
    waiting_task_sleeps_on:
        "c/src/wait.rs",
        "_ => [[switch::wake(me, target, 0)]]," => "Ok(())",
        wait_against_wakes, "deadlock";
    check_of_the_state_has_no_barrier:
        "c/src/raw/bits.rs",
        "pub(crate) fn bits(&self) -> Bits { [[before_look();]]" => "",
        wait_against_wakes, "deadlock";
    check_for_wake_ups_has_no_barrier:
        "c/src/raw/record.rs",
        "pub(crate) fn take_wakeup(&self) -> bool { [[before_look();]]" => "",
        wait_against_wakes, "deadlock";

    // The states.
    state_is_changed_without_order:
        "c/src/raw/bits.rs",
        ".compare_exchange_weak(old, new, [[Ordering::SeqCst]], Ordering::Relaxed)" => "Ordering::Relaxed",
        direct_mode, "killed: its word is invalid";
    state_is_changed_by_two_steps:
        "c/src/raw/bits.rs",
        "match [[self .state .compare_exchange_weak(old, new, Ordering::SeqCst, Ordering::Relaxed)]]" =>
        "self.state.store(new, Ordering::SeqCst); Ok::<u64, u64>(old)",
        wait_against_wakes, "deadlock";
    claimed_worker_stays_locked:
        "c/src/switch.rs",
        "worker.task.turn_fast(RUNNING | LOCKED, RUNNING)" => "true",
        lists, "deadlock";
    woken_thread_sleeps_on:
        "c/src/switch.rs",
        "let result = [[device::wait(abi::WAIT_WAKE_ONLY | flags, 0)]];" => "Ok(())",
        direct_mode, "deadlock";
    server_is_not_named:
        "c/src/switch.rs",
        "worker.task.set_next_tid(server.tid());" => "",
        lists, "killed: its word is invalid";

    // Workers that wait.
    worker_waits_without_a_check:
        "c/src/worker.rs",
        "if [[me.take_wakeup()]] { if switch::go_on" => "false",
        worker_against_wake, "deadlock";
    worker_is_woken_without_a_check:
        "c/src/worker.rs",
        "[[if !waits(worker.bits()) || !worker.take_wakeup() { return Ok(()); }]]" => "return Ok(());",
        worker_against_wake, "deadlock";
    woken_worker_is_not_queued:
        "c/src/worker.rs",
        "return [[add_idle(group, me, worker)]];" => "Ok(())",
        worker_against_wake_through_lists, "deadlock";
    waiting_worker_keeps_its_server:
        "c/src/worker.rs",
        "direct::give_server_up(group, me);" => "",
        worker_against_wake, "deadlock";
    waiting_worker_does_not_start_its_server:
        "c/src/worker.rs",
        "} else { [[start_own_server(me);]] }" => "",
        worker_against_wake_through_lists, "deadlock";
    worker_is_not_queued_at_the_timeout:
        "c/src/worker.rs",
        "let is_late = [[queue_self(group, me)]];" => "false",
        timeout_of_a_worker, "deadlock";

    // Direct mode.
    server_is_not_put_back:
        "c/src/direct.rs",
        "([[put_back(group, server)]] && server.task.turn(IDLE, RUNNING)).then_some(server)" => "false",
        worker_against_wake, "deadlock";
    server_is_put_back_without_a_check:
        "c/src/direct.rs",
        ".put_unless(server.server_nr(), || [[group.direct.has_queued()]])" => "false",
        direct_mode, "deadlock";
    queued_worker_starts_no_server:
        "c/src/direct.rs",
        "[[take_idle_server(group)]].map_or(Ok(()), |server| start(me, server))" => "None",
        worker_against_wake, "deadlock";
    queued_worker_is_not_passed_on:
        "c/src/direct.rs",
        "lists.append_idle(worker); [[pass_list_on(group, &mut lists);]]" => "",
        worker_against_wake, "deadlock";
    server_waits_without_a_check_for_workers:
        "c/src/direct.rs",
        "[[group.direct.has_workers()]] || me.has_wakeup()" => "false",
        late_worker_in_direct_mode, "deadlock";
    server_waits_without_a_check_for_wake_ups:
        "c/src/direct.rs",
        "group.direct.has_workers() || [[me.has_wakeup()]]" => "false",
        server_against_wake, "deadlock";
    called_server_stays_in_the_set:
        "c/src/direct.rs",
        "[[group.direct.take_back(server.server_nr())]] } /// The same of the caller" => "false",
        server_against_wake, "deadlock";
    woken_server_is_not_called:
        "c/src/wait.rs",
        "if [[direct::call(group, server) && server.task.turn(IDLE, RUNNING)]] {" => "false",
        server_against_wake, "deadlock";
    list_is_not_published:
        "c/src/raw/queued.rs",
        "self.queued.fetch_or(WORKERS, Ordering::SeqCst);" => "",
        worker_against_wake, "deadlock";

    // The ring.
    worker_is_dropped_when_the_ring_is_full:
        "c/src/direct.rs",
        "[[lists.return_idle(worker);]] return;" => "",
        wake_with_a_full_ring, "deadlock";
    place_is_filled_by_two:
        "c/src/raw/ring.rs",
        "[[self.word_of(tail).compare_exchange( word, place(tail, tid), Ordering::SeqCst, Ordering::SeqCst, )]]" =>
        "self.word_of(tail).store(place(tail, tid), Ordering::SeqCst); Ok::<u64, u64>(word)",
        two_pushes, "popped twice, or never";
    worker_is_popped_by_two:
        "c/src/raw/ring.rs",
        "[[self.word_of(head).compare_exchange( word, place(head.wrapping_add(PLACES), 0), Ordering::SeqCst, Ordering::SeqCst, )]]" =>
        "self.word_of(head).store(place(head.wrapping_add(PLACES), 0), Ordering::SeqCst); Ok::<u64, u64>(word)",
        two_pops, "popped twice, or never";
    push_is_not_counted:
        "c/src/raw/ring.rs",
        "while [[ends.tail() == tail]] { ends = self.count(ends, ends.with_one_filled()); } return true;" => "false",
        two_pushes, "popped twice, or never";
    full_ring_is_overwritten:
        "c/src/raw/ring.rs",
        "if [[word == place(tail, 0)]] {" => "true",
        full_ring, "the ring is not full";

    // The lists.
    list_is_taken_by_two_steps:
        "c/src/raw/idle.rs",
        "list.swap(0, Ordering::SeqCst)" =>
        "let all = list.load(Ordering::SeqCst); list.swap(0, Ordering::SeqCst); all",
        late_worker_in_lists, "deadlock";
    taken_workers_are_not_linked:
        "c/src/raw/idle.rs",
        "worker.next.set(first); first = Some(worker);" => "first = Some(worker);",
        lists, "deadlock";
    server_is_not_announced:
        "c/src/polling.rs",
        "group.announce(server.tid());" => "",
        lists, "deadlock";
    announce_without_a_look:
        "c/src/polling.rs",
        "group.announce(server.tid());" => "group.announce(server.tid()); return None;",
        lists, "deadlock";
    woken_server_waits_for_workers:
        "c/src/server.rs",
        "if (is_started || [[me.has_wakeup()]]) &&" => "false",
        server_against_wake_in_lists, "deadlock";

    // Workers that are killed before they run.
    server_sleeps_for_a_worker_that_is_gone:
        "c/src/server.rs",
        "if [[switch::run_under(group, worker, me)]] {" => "switch::run_under(group, worker, me) || true",
        queued_worker_dies_in_lists, "deadlock";
    server_in_direct_mode_sleeps_for_a_worker_that_is_gone:
        "c/src/direct.rs",
        "if [[switch::run_under(group, worker, me)]] {" => "switch::run_under(group, worker, me) || true",
        queued_worker_dies_in_direct_mode, "deadlock";
    worker_that_is_gone_is_claimed:
        "c/src/switch.rs",
        "if !bits.has_any(TAKEN | WAITS) || [[bits.is_gone()]] {" => "false",
        queued_worker_dies_in_lists, "deadlock";
    worker_that_is_gone_stays_taken:
        "c/src/direct.rs",
        "members::end_taken(group, worker);" => "",
        queued_worker_dies_in_direct_mode, "a worker counts as queued";
    server_is_given_to_a_worker_that_is_gone:
        "c/src/direct.rs",
        "worker.task.claim_from(IDLE) && [[switch::run_under(group, worker, server)]]" =>
        "switch::run_under(group, worker, server) || true",
        worker_of_the_ring_dies, "deadlock";
    swap_with_a_worker_that_is_gone:
        "c/src/worker.rs",
        "if [[!switch::run_under(group, next, server)]] {" =>
        "!switch::run_under(group, next, server) && false",
        target_of_a_swap_dies_in_lists, "deadlock";
    swap_with_a_worker_that_is_gone_in_direct_mode:
        "c/src/worker.rs",
        "if [[!switch::run_under(group, next, server)]] {" =>
        "!switch::run_under(group, next, server) && false",
        target_of_a_swap_dies_in_direct_mode, "deadlock";

    // Threads that leave.
    leaving_worker_keeps_its_server:
        "c/src/register.rs",
        "direct::give_server_up(group, me);" => "",
        direct_mode, "deadlock";
    leaving_worker_wakes_nobody:
        "c/src/register.rs",
        "let _ = device::wait(abi::WAIT_WAKE_ONLY, 0);" => "",
        direct_mode, "deadlock";
    leaving_worker_does_not_start_its_server:
        "c/src/register.rs",
        "worker::start_own_server(me);" => "",
        lists, "deadlock";
    thread_that_registers_names_its_last_server:
        "rust/src/raw/task.rs",
        "[[self.next_tid.store(0, Ordering::Relaxed);]] self.flags" => "",
        direct_mode, "Errno(22)";
    member_stays:
        "c/src/register.rs",
        "[[members::leave(group, me);]] } /// Unregisters the caller." => "",
        end_against_wake, "a member is left";
}
