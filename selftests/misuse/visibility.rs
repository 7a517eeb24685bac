// SPDX-License-Identifier: GPL-2.0

//! What safe code cannot reach.

// fails with E0603: the end of a record is its own business
mod destructor {
    use crate::sys::reaper::after_grace_period;
}

// fails with E0603: the gate of a record is entered only through the record
mod gate {
    use crate::sys::gate::Gate;
}

// fails with E0603: only records and open files count for the module
mod module_reference {
    use crate::sys::module_ref::ModuleRef;
}

// fails with E0603: words are those of a page that is kept
mod words_of_any_page {
    use crate::sys::page_words::PageWords;
}

// fails with E0603: a counted reference cannot be had
mod counted_reference {
    use crate::sys::record::RecordRef;
}

// fails with E0423: a context is made where the kernel calls
mod context {
    use crate::sys::context::TaskContext;

    fn make() -> TaskContext {
        TaskContext(kernel::types::NotThreadSafe)
    }
}

// fails with E0423: the start-up is over when the module is there
mod startup {
    use crate::sys::startup::Startup;

    fn make() -> Startup {
        Startup(kernel::types::NotThreadSafe)
    }
}
