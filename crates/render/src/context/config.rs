//! The choice among EGL's configurations.

use khronos_egl as egl;

use super::egl::{Instance, failed};
use crate::error::RenderError;

/// What is known of one configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Traits {
    colour_bits: [egl::Int; 3],
    alpha_bits: egl::Int,
    samples: egl::Int,
    depth_bits: egl::Int,
    stencil_bits: egl::Int,
    visual: egl::Int,
    is_slow: bool,
}

impl Traits {
    fn of(egl: &Instance, display: egl::Display, config: egl::Config) -> Option<Self> {
        let get = |name| egl.get_config_attrib(display, config, name).ok();
        Some(Self {
            colour_bits: [
                get(egl::RED_SIZE)?,
                get(egl::GREEN_SIZE)?,
                get(egl::BLUE_SIZE)?,
            ],
            alpha_bits: get(egl::ALPHA_SIZE)?,
            samples: get(egl::SAMPLES)?,
            depth_bits: get(egl::DEPTH_SIZE)?,
            stencil_bits: get(egl::STENCIL_SIZE)?,
            visual: get(egl::NATIVE_VISUAL_ID)?,
            is_slow: get(egl::CONFIG_CAVEAT)? == egl::SLOW_CONFIG,
        })
    }

    /// What speaks against the configuration, worst first; `None` if it cannot be used.
    ///
    /// Alpha would let the window's neighbours shine through, and depth, stencil and samples only cost memory:
    /// rectangles have no jagged edges.
    fn badness(&self, visual: Option<egl::Int>) -> Option<[egl::Int; 6]> {
        if self.colour_bits != [8; 3] || self.samples > 1 {
            return None;
        }
        let other_visual = visual.is_some_and(|wanted| wanted != self.visual);
        Some([
            egl::Int::from(other_visual),
            egl::Int::from(self.is_slow),
            self.alpha_bits,
            self.samples,
            self.depth_bits,
            self.stencil_bits,
        ])
    }
}

/// Lists the configurations that suit, best first.
pub(super) fn suitable(
    egl: &Instance,
    display: egl::Display,
    surface_type: egl::Int,
    visual: Option<egl::Int>,
) -> Result<Vec<egl::Config>, RenderError> {
    let wanted = [
        egl::SURFACE_TYPE,
        surface_type,
        egl::RENDERABLE_TYPE,
        egl::OPENGL_ES3_BIT,
        egl::RED_SIZE,
        8,
        egl::GREEN_SIZE,
        8,
        egl::BLUE_SIZE,
        8,
        egl::NONE,
    ];
    let mut configs = Vec::with_capacity(256);
    egl.choose_config(display, &wanted, &mut configs)
        .map_err(failed("eglChooseConfig"))?;
    let rate = |config| Some((Traits::of(egl, display, config)?.badness(visual)?, config));
    let mut rated: Vec<_> = configs.into_iter().filter_map(rate).collect();
    // Stable, so that the driver's own order decides between equals.
    rated.sort_by_key(|(badness, _)| *badness);
    Ok(rated.into_iter().map(|(_, config)| config).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Traits = Traits {
        colour_bits: [8; 3],
        alpha_bits: 0,
        samples: 0,
        depth_bits: 0,
        stencil_bits: 0,
        visual: 0x21,
        is_slow: false,
    };

    #[test]
    fn the_windows_visual_counts_more_than_anything_else() {
        let deep = Traits {
            depth_bits: 24,
            alpha_bits: 8,
            visual: 0x22,
            ..PLAIN
        };
        assert!(deep.badness(Some(0x22)) < PLAIN.badness(Some(0x22)));
        assert!(PLAIN.badness(None) < deep.badness(None));
    }

    #[test]
    fn other_depths_of_colour_and_multisampling_are_refused() {
        let ten_bits = Traits {
            colour_bits: [10; 3],
            ..PLAIN
        };
        let smooth = Traits {
            samples: 4,
            ..PLAIN
        };
        assert_eq!(ten_bits.badness(None), None);
        assert_eq!(smooth.badness(None), None);
    }
}
