#![no_main]
libfuzzer_sys::fuzz_target!(init: watchbell_fuzz::begin(), |data: &[u8]| watchbell_fuzz::log::run(data));
