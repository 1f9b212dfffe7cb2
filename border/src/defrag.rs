//! Moving the memory of a value to where it leaves fewer holes.

use std::ffi::c_ulong;
use std::ptr::{self, NonNull};

use redis_module::raw;

/// How memory is aligned that values are moved to, at least.
pub(crate) const ALIGNMENT: usize = 8;

/// The server while it moves the memory of one value.
#[derive(Debug)]
pub struct Defrag(NonNull<raw::RedisModuleDefragCtx>);

impl Defrag {
    /// # Safety
    /// The context must be valid as long as this lives.
    pub(crate) unsafe fn from_raw(ctx: *mut raw::RedisModuleDefragCtx) -> Option<Self> {
        NonNull::new(ctx).map(Self)
    }

    /// The same value, perhaps in another place.
    pub fn value<T>(&mut self, value: Box<T>) -> Box<T> {
        const { assert!(align_of::<T>() <= ALIGNMENT) };
        if size_of::<T>() == 0 {
            return value; // is no allocation
        }
        // SAFETY: a box of any size but 0 is one allocation, and has no other
        // owner.
        let place = unsafe { self.moved(Box::into_raw(value)) };
        // SAFETY: that allocation or the copy of it.
        unsafe { Box::from_raw(place) }
    }

    /// The same values, perhaps in another place.
    pub fn slice<T>(&mut self, values: Box<[T]>) -> Box<[T]> {
        const { assert!(align_of::<T>() <= ALIGNMENT) };
        if size_of_val(&*values) == 0 {
            return values; // is no allocation
        }
        let len = values.len();
        // SAFETY: as above.
        let start = unsafe { self.moved(Box::into_raw(values).cast::<T>()) };
        // SAFETY: as above; it has as many values as before.
        unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(start, len)) }
    }

    /// Whether to stop here, and to go on when there is time again.
    pub fn should_stop(&mut self) -> bool {
        // SAFETY: the context is valid during the callback.
        unsafe { api!(RedisModule_DefragShouldStop)(self.0.as_ptr()) != 0 }
    }

    /// Where the last step on this value stopped; 0 if this is the first.
    pub(crate) fn cursor(&self) -> usize {
        let mut cursor = 0;
        // SAFETY: as above. The server writes nothing for a small value, which has one
        // step.
        unsafe { api!(RedisModule_DefragCursorGet)(self.0.as_ptr(), &raw mut cursor) };
        usize::try_from(cursor).unwrap_or(0)
    }

    /// Keeps where this step stopped, which must not be at 0.
    pub(crate) fn set_cursor(&mut self, cursor: usize) {
        debug_assert_ne!(cursor, 0, "the server would take the value for done");
        // SAFETY: as above.
        unsafe { api!(RedisModule_DefragCursorSet)(self.0.as_ptr(), cursor as c_ulong) };
    }

    /// Where an allocation is from now on.
    ///
    /// # Safety
    /// It must be a whole one of the global allocator, and nobody may use
    /// another pointer to it any more.
    unsafe fn moved<T>(&mut self, old: *mut T) -> *mut T {
        // SAFETY: the global allocator is the server's. The server copies all
        // bytes to an allocation as large, and so as well aligned, and frees
        // the old one; or it returns null and has done nothing.
        let new = unsafe { api!(RedisModule_DefragAlloc)(self.0.as_ptr(), old.cast()) };
        if new.is_null() { old } else { new.cast() }
    }
}
