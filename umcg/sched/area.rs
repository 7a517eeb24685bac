// SPDX-License-Identifier: GPL-2.0

//! The slots of an address space, and their users.
//!
//! An area exists while a thread has a slot in it or a mapping shows it. Both look it up by the
//! address space.

use super::{
    super::{
        abi::{
            umcg_sched_state,
            UMCG_SCHED_NO_VCPU,
            UMCG_SCHED_STATE_SLOTS, //
        },
        counted::Counted,
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
    new_spinlock,
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
        SpinLock, //
    },
};

const SLOTS_PER_PAGE: usize = PAGE_SIZE / size_of::<umcg_sched_state>();

// CAST: A small constant.
const PAGES: usize = UMCG_SCHED_STATE_SLOTS as usize / SLOTS_PER_PAGE;

/// The bitmap of the slots of a page that are in use.
const WORDS_PER_PAGE: usize = SLOTS_PER_PAGE / numbers::PER_WORD;

const _: () = assert!(SLOTS_PER_PAGE % numbers::PER_WORD == 0);

static_lock! {
    static AREAS: SpinLock<Counted<usize, Arc<Area>>> = Counted::new();
}

/// The slots of an address space. Looked up by the address of the `mm_struct`, which it holds.
#[pin_data]
struct Area {
    mm: ARef<Mm>,
    #[pin]
    places: SpinLock<Places>,
    /// The virtual CPUs in use, one bit each.
    vcpus: KVec<Atomic<u64>>,
}

/// The pages allocated so far, by number.
type Places = RBTree<usize, Place>;

/// A page of slots, and the slots in use.
struct Place {
    page: Arc<SharedPage>,
    used: [u64; WORDS_PER_PAGE],
    _count: stats::Count,
}

/// A page that may be needed, and memory for its tree node.
struct Spare {
    page: Arc<SharedPage>,
    node: RBTreeNodeReservation<usize, Place>,
}

impl Spare {
    /// May sleep.
    fn new() -> Result<Self> {
        Ok(Self {
            page: Arc::new(SharedPage::new()?, GFP_KERNEL_ACCOUNT)?,
            node: RBTreeNodeReservation::new(GFP_KERNEL_ACCOUNT)?,
        })
    }
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
                places <- new_spinlock!(RBTree::new()),
                vcpus,
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// The page of this number. May sleep.
    ///
    /// Beyond the last possible slot it is always the same page, which is never written: so there
    /// are only as many pages as slots need, plus one, whatever user space reads.
    fn page(&self, number: usize) -> Result<Arc<SharedPage>> {
        let number = number.min(most_slots().div_ceil(SLOTS_PER_PAGE));
        let mut spare = None;

        loop {
            if let Some(place) = place_at(&mut self.places.lock(), number, &mut spare) {
                return Ok(place.page.clone());
            }
            spare = Some(Spare::new()?);
        }
    }

    /// Takes the lowest free slot, and returns its page and number. May sleep.
    fn take_slot(&self) -> Result<(Arc<SharedPage>, usize)> {
        let mut spare = None;

        loop {
            let mut places = self.places.lock();
            let number = lowest_free(&places);
            if number >= most_slots() {
                return Err(ENOSPC);
            }
            if let Some(place) = place_at(&mut places, number / SLOTS_PER_PAGE, &mut spare) {
                numbers::insert(&mut place.used, number % SLOTS_PER_PAGE);
                return Ok((place.page.clone(), number));
            }
            // Memory is allocated without the lock, so that no other task waits for it.
            drop(places);
            spare = Some(Spare::new()?);
        }
    }

    /// Releases a slot that [`Area::take_slot`] has taken.
    fn give_slot(&self, number: usize) {
        if let Some(place) = self.places.lock().get_mut(&(number / SLOTS_PER_PAGE)) {
            numbers::remove(&mut place.used, number % SLOTS_PER_PAGE);
        }
    }
}

/// The page with this number; made of the spare one if it is new. `None` if one is needed and there
/// is none.
fn place_at<'a>(
    places: &'a mut Places,
    number: usize,
    spare: &mut Option<Spare>,
) -> Option<&'a mut Place> {
    match places.entry(number) {
        Entry::Occupied(entry) => Some(entry.into_mut()),
        Entry::Vacant(entry) => {
            let Spare { page, node } = spare.take()?;
            let place = Place {
                page,
                used: [0; WORDS_PER_PAGE],
                _count: stats::SLOT_PAGES.count(),
            };
            Some(entry.insert(place, node))
        }
    }
}

/// The lowest slot that is not in use.
fn lowest_free(places: &Places) -> usize {
    let mut page = 0;

    for (number, place) in places.iter() {
        if *number != page {
            break;
        }
        if let Some(slot) = numbers::lowest_free_of(&place.used) {
            return page * SLOTS_PER_PAGE + slot;
        }
        page += 1;
    }
    page * SLOTS_PER_PAGE
}

/// The maximum number of slots of an address space.
fn most_slots() -> usize {
    let most = compat::parameter(module_parameters::max_slots_per_process.value());

    // CAST: 32 bits fit.
    most.min(UMCG_SCHED_STATE_SLOTS) as usize
}

/// A reference to the area of an address space. Dropped in process context, which waits for
/// nothing.
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

        if let Some(area) = AREAS.lock().add_user_if_used(&key) {
            return Ok(Self(area.clone()));
        }

        // Before the lock is taken, so that no other task waits for this allocation.
        let new = Area::new(mm)?;
        let mut node = Counted::room()?;

        let area = AREAS
            .lock()
            .add_user(key, &mut node, || Ok(new.clone()))?
            .clone();
        Ok(Self(area))
    }
}

impl Drop for AreaRef {
    fn drop(&mut self) {
        let key = self.0.mm.as_raw() as usize;

        // The area itself is freed with this reference, after the lock was released.
        let last = AREAS.lock().remove_user(&key);
        drop(last);
    }
}

impl Mapped for AreaRef {
    const PAGES: usize = PAGES;

    fn page(&self, number: usize) -> Result<Arc<SharedPage>> {
        self.0.page(number)
    }
}

/// Makes a new mapping of the current task show its slots.
///
/// # Errors
///
/// `ENOMEM`; `EINVAL` as [`mapping::map`].
pub(crate) fn map(vma: &VmaNew) -> Result {
    mapping::map(vma, Arc::new(AreaRef::of_current()?, GFP_KERNEL_ACCOUNT)?)
}

/// Marks a slot as in use, until this is dropped: in process context, which waits for nothing.
pub(super) struct Lease {
    area: AreaRef,
    number: usize,
}

impl Lease {
    /// Takes the lowest free slot of the current task's address space. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if there is none; `ENOMEM`.
    pub(super) fn take() -> Result<(Self, Slot)> {
        let area = AreaRef::of_current()?;
        let (page, number) = area.0.take_slot()?;

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
        self.area.0.give_slot(self.number);
    }
}

/// A slot, as its thread writes to it. Its memory stays as long as this exists; the slot belongs to
/// the thread as long as its [`Lease`] exists.
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
        // Each CPU uses at most one, so there always is a free one. CAST: The number of CPUs is
        // small.
        numbers::take(&self.area.vcpus).map_or(UMCG_SCHED_NO_VCPU, |vcpu| vcpu as u32)
    }

    /// Releases a virtual CPU. Any context.
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
