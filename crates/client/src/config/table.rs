//! Every option of the client, whether it works yet or not (sections 7 and 11 of the specification).

use std::sync::LazyLock;

use options::OptionSpec;

mod app;
mod egl;
mod input;
mod other;
mod sound;
mod win;

/// All options, module by module.
#[must_use]
pub fn table() -> &'static [OptionSpec] {
    static TABLE: LazyLock<Vec<OptionSpec>> = LazyLock::new(|| {
        let modules: [&[OptionSpec]; 12] = [
            &app::APP,
            &win::WIN,
            &input::INPUT,
            &input::SPICE,
            &input::CLIPBOARD,
            &sound::AUDIO,
            &sound::PIPEWIRE,
            &egl::EGL,
            &egl::FILTER,
            &egl::OPENGL,
            &other::DESKTOPS,
            &other::TEST,
        ];
        modules.concat()
    });
    TABLE.as_slice()
}
