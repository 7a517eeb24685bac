// SPDX-License-Identifier: GPL-2.0

//! The slots of an address space, and who uses them.
//!
//! An area is there while a thread has a slot in it or a mapping shows it. Both find the same one, by
//! the address space; the lock that this takes may be taken with the lock of an address space held,
//! so nothing faults under it.

use super::{
    super::{
        abi::{
            umcg_sched_state,
            UMCG_SCHED_NO_VCPU,
            UMCG_SCHED_STATE_SLOTS, //
        },
        stats, //
    },
    numbers,
    slot::SlotWords, //
};
use crate::{
    module_parameters, static_lock,
    sys::{
        compat,
        mapping::{
            self,
            Mapped, //
        },
        shared_page::SharedPage, //
    },
};
use kernel::{
    cpu::nr_cpu_ids,
    mm::{
        virt::VmaNew,
        Mm, //
    },
    new_mutex,
    page::PAGE_SIZE,
    prelude::*,
    rbtree::{
        Entry,
        RBTree,
        RBTreeNodeReservation, //
    },
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed,
            Release, //
        },
        Arc,
        Mutex, //
    },
};

const SLOTS_PER_PAGE: usize = PAGE_SIZE / size_of::<umcg_sched_state>();

// CAST: A small constant.
const PAGES: usize = UMCG_SCHED_STATE_SLOTS as usize / SLOTS_PER_PAGE;

/// The words that say which slots of a page are in use.
const WORDS_PER_PAGE: usize = SLOTS_PER_PAGE / numbers::PER_WORD;

const _: () = assert!(SLOTS_PER_PAGE % numbers::PER_WORD == 0);

static_lock! {
    static AREAS: Mutex<Option<RBTree<usize, Known>>> = None;
}

/// An area by the address of its address space, which it holds; and how many there are who use it.
struct Known {
    area: Arc<Area>,
    users: usize,
}

/// The slots of an address space.
#[pin_data]
struct Area {
    mm: ARef<Mm>,
    #[pin]
    pages: Mutex<KVec<Place>>,
    /// The virtual CPUs that are in use, one bit each.
    vcpus: KVec<Atomic<u64>>,
}

/// A page of slots, made when somebody needs it, and the slots that are in use.
#[derive(Default)]
struct Place {
    page: Option<Arc<SharedPage>>,
    used: [u64; WORDS_PER_PAGE],
    _count: Option<stats::Count>,
}

impl Area {
    fn new(mm: ARef<Mm>) -> Result<Arc<Self>> {
        // CAST: The number of CPUs is small.
        let words = (nr_cpu_ids() as usize).div_ceil(numbers::PER_WORD);
        let mut vcpus = KVec::with_capacity(words, GFP_KERNEL_ACCOUNT)?;
        for _ in 0..words {
            vcpus.push(Atomic::new(0), GFP_KERNEL_ACCOUNT)?;
        }

        Arc::pin_init(
            pin_init!(Self {
                mm,
                pages <- new_mutex!(KVec::new()),
                vcpus,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// The page of this number. May sleep.
    fn page(&self, number: usize) -> Result<Arc<SharedPage>> {
        page_at(&mut self.pages.lock(), number)
    }
}

fn page_at(pages: &mut KVec<Place>, number: usize) -> Result<Arc<SharedPage>> {
    while pages.len() <= number {
        pages.push(Place::default(), GFP_KERNEL_ACCOUNT)?;
    }
    if let Some(page) = &pages[number].page {
        return Ok(page.clone());
    }
    let page = Arc::new(SharedPage::new()?, GFP_KERNEL_ACCOUNT)?;
    pages[number].page = Some(page.clone());
    pages[number]._count = Some(stats::SLOT_PAGES.count());

    Ok(page)
}

/// The lowest slot that is not in use.
fn lowest_free(pages: &[Place]) -> usize {
    pages
        .iter()
        .enumerate()
        .find_map(|(index, place)| {
            Some(index * SLOTS_PER_PAGE + numbers::lowest_free_of(&place.used)?)
        })
        .unwrap_or(pages.len() * SLOTS_PER_PAGE)
}

/// How many slots an address space may have.
fn most_slots() -> usize {
    let most = compat::parameter(module_parameters::max_slots_per_process.value());

    // CAST: 32 bits fit.
    most.min(UMCG_SCHED_STATE_SLOTS) as usize
}

/// A use of the area of an address space. Dropped in process context; may sleep then.
struct AreaRef(Arc<Area>);

impl AreaRef {
    /// The area of the current task. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EFAULT` if the task has no address space.
    fn of_current() -> Result<Self> {
        let mm: ARef<Mm> = ARef::from(&**current!().mm().ok_or(EFAULT)?);
        let key = mm.as_raw() as usize;

        if let Some(found) = Self::find(key) {
            return Ok(found);
        }

        // Before the lock is taken: nobody has to wait until this task gets its memory.
        let area = Area::new(mm)?;
        let node = RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?;

        let mut areas = AREAS.lock();
        match areas.get_or_insert_with(RBTree::new).entry(key) {
            Entry::Occupied(mut entry) => Ok(entry.get_mut().add_user()),
            Entry::Vacant(entry) => {
                let known = Known { area, users: 0 };
                Ok(entry.insert(known, node).add_user())
            }
        }
    }

    fn find(key: usize) -> Option<Self> {
        Some(AREAS.lock().as_mut()?.get_mut(&key)?.add_user())
    }
}

impl Known {
    fn add_user(&mut self) -> AreaRef {
        self.users += 1;
        AreaRef(self.area.clone())
    }
}

impl Drop for AreaRef {
    fn drop(&mut self) {
        let key = self.0.mm.as_raw() as usize;
        let mut areas = AREAS.lock();
        let Some(mut entry) = areas.as_mut().and_then(|areas| areas.find_mut(&key)) else {
            return;
        };

        entry.get_mut().users -= 1;
        if entry.get().users == 0 {
            // The area itself goes with this reference, when the lock has been dropped.
            entry.remove();
        }
    }
}

impl Mapped for AreaRef {
    const PAGES: usize = PAGES;

    fn page(&self, number: usize) -> Result<Arc<SharedPage>> {
        self.0.page(number)
    }
}

/// Has a new mapping of the current task show its slots.
///
/// # Errors
///
/// `ENOMEM`; `EINVAL` as [`mapping::map`].
pub(crate) fn map(vma: &VmaNew) -> Result {
    mapping::map(vma, Arc::new(AreaRef::of_current()?, GFP_KERNEL_ACCOUNT)?)
}

/// That a slot is in use, until this is dropped: in process context, may sleep then.
pub(super) struct Lease {
    area: AreaRef,
    number: usize,
}

impl Lease {
    /// Takes the lowest slot of the current task's address space that is free. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if there is none; `ENOMEM`.
    pub(super) fn take() -> Result<(Self, Slot)> {
        let area = AreaRef::of_current()?;
        let mut pages = area.0.pages.lock();
        let number = lowest_free(&pages);
        if number >= most_slots() {
            return Err(ENOSPC);
        }
        let index = number / SLOTS_PER_PAGE;
        let page = page_at(&mut pages, index)?;
        numbers::insert(&mut pages[index].used, number % SLOTS_PER_PAGE);
        drop(pages);

        let slot = Slot {
            area: area.0.clone(),
            page,
            number,
        };
        Ok((Self { area, number }, slot))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut pages = self.area.0.pages.lock();
        // It was taken from there.
        let place = &mut pages[self.number / SLOTS_PER_PAGE];
        numbers::remove(&mut place.used, self.number % SLOTS_PER_PAGE);
    }
}

/// A slot, as its thread writes to it. Its memory stays for as long as this exists; it belongs to
/// the thread for as long as its [`Lease`] does.
pub(super) struct Slot {
    area: Arc<Area>,
    page: Arc<SharedPage>,
    number: usize,
}

impl Slot {
    /// Its number in the address space.
    pub(super) fn number(&self) -> u32 {
        // CAST: Less than `UMCG_SCHED_STATE_SLOTS`.
        self.number as u32
    }

    /// Takes a virtual CPU. Any context, also with a run-queue lock held.
    #[inline]
    pub(super) fn take_vcpu(&self) -> u32 {
        // Each CPU has one at most, so there always is one. CAST: The number of CPUs is small.
        numbers::take(&self.area.vcpus).map_or(UMCG_SCHED_NO_VCPU, |vcpu| vcpu as u32)
    }

    /// Gives a virtual CPU back. Any context.
    #[inline]
    pub(super) fn give_vcpu(&self, vcpu: u32) {
        if vcpu != UMCG_SCHED_NO_VCPU {
            numbers::give(&self.area.vcpus, vcpu as usize);
        }
    }

    #[inline]
    fn offset(&self, field: usize) -> usize {
        self.number % SLOTS_PER_PAGE * size_of::<umcg_sched_state>() + field
    }
}

impl SlotWords for Slot {
    #[inline]
    fn get32(&self, offset: usize) -> u32 {
        // Relaxed: written by this thread, or before it got the slot.
        self.page.word32(self.offset(offset)).load(Relaxed)
    }

    #[inline]
    fn set32(&self, offset: usize, value: u32) {
        self.page.word32(self.offset(offset)).store(value, Release);
    }

    #[inline]
    fn set64(&self, offset: usize, value: u64) {
        self.page.word64(self.offset(offset)).store(value, Release);
    }
}
