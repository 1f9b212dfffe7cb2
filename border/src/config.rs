//! Numeric settings of the server's configuration.

use std::ffi::{CStr, c_char, c_int, c_longlong, c_void};
use std::ops::RangeInclusive;
use std::ptr;
use std::sync::atomic::{AtomicI64, Ordering};

use redis_module::raw;

use crate::context::OK;
use crate::entry::Loading;
use crate::panic::guarded;

/// A setting. Its value can be read at any time.
#[derive(Debug)]
pub struct Setting {
    /// Without the name of the module, which the server puts before it.
    pub name: &'static CStr,
    /// The values that it can have.
    pub range: RangeInclusive<i64>,
    value: AtomicI64,
}

impl Setting {
    /// A setting with its default.
    pub const fn new(name: &'static CStr, default: i64, range: RangeInclusive<i64>) -> Self {
        Self { name, range, value: AtomicI64::new(default) }
    }

    /// The value in force.
    pub fn get(&self) -> i64 {
        self.value.load(Ordering::Relaxed)
    }

    /// Changes the value; callers have checked the range.
    pub fn set(&self, value: i64) {
        self.value.store(value, Ordering::Relaxed);
    }

    /// Registers the setting, with its present value as the default.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn register(&'static self, loading: &Loading<'_>) -> Result<(), String> {
        // SAFETY: this is the context of loading, the name ends with a NUL,
        // and the setting, which the callbacks are given, lives for ever.
        let status = unsafe {
            api!(RedisModule_RegisterNumericConfig)(
                loading.as_ptr(),
                self.name.as_ptr(),
                self.get(),
                raw::REDISMODULE_CONFIG_DEFAULT,
                *self.range.start(),
                *self.range.end(),
                Some(get),
                Some(set),
                None,
                ptr::from_ref(self).cast_mut().cast(),
            )
        };
        if status == OK { Ok(()) } else { Err("a configuration setting".into()) }
    }
}

/// Applies what the configuration file says, once all settings are known.
///
/// # Errors
/// If the server refuses.
pub fn apply(loading: &Loading<'_>) -> Result<(), String> {
    // SAFETY: this is the context of loading.
    let status = unsafe { api!(RedisModule_LoadConfigs)(loading.as_ptr()) };
    if status == OK { Ok(()) } else { Err("the configuration".into()) }
}

/// # Safety
/// `data` must be what `register` passed.
unsafe fn setting(data: *mut c_void) -> Option<&'static Setting> {
    // SAFETY: `register` passed a setting that lives for ever.
    unsafe { data.cast::<Setting>().as_ref() }
}

unsafe extern "C" fn get(_name: *const c_char, data: *mut c_void) -> c_longlong {
    guarded(0, || {
        // SAFETY: the server passes back what `register` passed.
        unsafe { setting(data) }.map_or(0, Setting::get)
    })
}

/// The server has checked the range.
unsafe extern "C" fn set(
    _name: *const c_char,
    value: c_longlong,
    data: *mut c_void,
    _error: *mut *mut raw::RedisModuleString,
) -> c_int {
    guarded(OK, || {
        // SAFETY: the server passes back what `register` passed.
        if let Some(setting) = unsafe { setting(data) } {
            setting.set(value);
        }
        OK
    })
}
