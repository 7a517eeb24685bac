// SPDX-License-Identifier: GPL-2.0

//! A map with a count of users for each key.
//!
//! Protected by a global lock in [`super::pages`], [`super::limits`] and [`super::sched::area`].
//! Memory for a key that may be new is allocated before the lock is taken, and removed values are
//! dropped after it is released: so no holder of the lock waits for anything.

use kernel::{
    prelude::*,
    rbtree::{
        Entry,
        RBTree,
        RBTreeNodeReservation, //
    },
};

/// A value and a count of users, at least one, for each key.
pub(crate) struct Counted<K, V>(Option<RBTree<K, Used<V>>>);

/// Memory for a key that is new.
pub(crate) type Node<K, V> = RBTreeNodeReservation<K, Used<V>>;

/// A value with users.
pub(crate) struct Used<V> {
    users: usize,
    value: V,
}

impl<K: Ord, V> Counted<K, V> {
    /// An empty map, for a static.
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Memory for a key that may be new. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub(crate) fn room() -> Result<Option<Node<K, V>>> {
        Ok(Some(Node::new(GFP_KERNEL_ACCOUNT)?))
    }

    /// The number of users of a key.
    pub(crate) fn users(&self, key: &K) -> usize {
        self.get(key).map_or(0, |used| used.users)
    }

    /// The value of a key that has users.
    pub(crate) fn value(&self, key: &K) -> Option<&V> {
        Some(&self.get(key)?.value)
    }

    fn get(&self, key: &K) -> Option<&Used<V>> {
        self.0.as_ref()?.get(key)
    }

    /// As [`Counted::value`], mutable.
    pub(crate) fn value_mut(&mut self, key: &K) -> Option<&mut V> {
        Some(&mut self.0.as_mut()?.get_mut(key)?.value)
    }

    /// Calls a function with the lowest key from `first` on that has users, and its value.
    pub(crate) fn look_at_next<R>(&self, first: &K, look: impl FnOnce(&K, &V) -> R) -> Option<R> {
        let cursor = self.0.as_ref()?.cursor_lower_bound(first)?;
        let (key, used) = cursor.current();

        Some(look(key, &used.value))
    }

    /// Adds a user of `key`, if it has any.
    pub(crate) fn add_user_if_used(&mut self, key: &K) -> Option<&mut V> {
        let used = self.0.as_mut()?.get_mut(key)?;

        used.users += 1;
        Some(&mut used.value)
    }

    /// Adds a user of `key`. A new key takes `room`, and the value returned by `make`.
    ///
    /// # Errors
    ///
    /// Those of `make`; nothing is changed then.
    pub(crate) fn add_user(
        &mut self,
        key: K,
        room: &mut Option<Node<K, V>>,
        make: impl FnOnce() -> Result<V>,
    ) -> Result<&mut V> {
        let used = match self.0.get_or_insert_with(RBTree::new).entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let value = make()?;
                entry.insert(Used { users: 0, value }, room.take().ok_or(ENOMEM)?)
            }
        };

        used.users += 1;
        Ok(&mut used.value)
    }

    /// Removes a user. Returns the value if that was the last one.
    pub(crate) fn remove_user(&mut self, key: &K) -> Option<V> {
        let mut entry = self.0.as_mut()?.find_mut(key)?;

        entry.get_mut().users -= 1;
        (entry.get().users == 0).then(|| entry.remove().value)
    }
}
