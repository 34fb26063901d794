//! Every option of the host, for any system (sections 9 and 11 of the specification).

use std::sync::LazyLock;

use options::OptionSpec;

mod linux;
mod windows;

/// All options, module by module.
#[must_use]
pub fn table() -> &'static [OptionSpec] {
    static TABLE: LazyLock<Vec<OptionSpec>> = LazyLock::new(|| {
        let modules: [&[OptionSpec]; 6] = [
            &linux::APP,
            &linux::TEST,
            &windows::OS,
            &windows::DXGI,
            &windows::NVFBC,
            &windows::D12,
        ];
        modules.concat()
    });
    TABLE.as_slice()
}
