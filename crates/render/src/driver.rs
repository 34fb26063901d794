//! What the driver says of itself.

use std::collections::HashSet;

/// The driver as it names itself, and what it can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DriverInfo {
    /// `GL_VENDOR`.
    pub vendor: String,
    /// `GL_RENDERER`: usually the GPU.
    pub renderer: String,
    /// `GL_VERSION`.
    pub version: String,
    /// `EGL_VENDOR`.
    pub egl_vendor: String,
    /// `EGL_VERSION`.
    pub egl_version: String,
    /// Extensions of EGL and GL together.
    pub extensions: HashSet<String>,
}

/// Names that software rasterisers give themselves, in lower case.
const SOFTWARE: [&str; 8] = [
    "llvmpipe",
    "softpipe",
    "swrast",
    "software rasterizer",
    "software renderer",
    "swiftshader",
    "swr (",
    "lavapipe",
];

impl DriverInfo {
    /// Tells whether the pictures are drawn by the CPU.
    ///
    /// Drawing on the CPU by way of a driver is slower than the software renderer, which
    /// `app:renderer=auto` then prefers.
    #[must_use]
    pub fn is_software(&self) -> bool {
        let named = |text: &str| {
            let text = text.to_lowercase();
            SOFTWARE.iter().any(|name| text.contains(name))
        };
        named(&self.renderer) || named(&self.vendor)
    }

    /// Tells whether the driver has an extension.
    #[must_use]
    pub fn has(&self, extension: &str) -> bool {
        self.extensions.contains(extension)
    }
}

impl std::fmt::Display for DriverInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}, {})", self.renderer, self.vendor, self.version)
    }
}

/// Makes the driver's words fit for a log line: no control characters, not endless.
pub(crate) fn printable(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().take(1000).map(clean).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver(vendor: &str, renderer: &str) -> DriverInfo {
        DriverInfo {
            vendor: vendor.to_owned(),
            renderer: renderer.to_owned(),
            ..DriverInfo::default()
        }
    }

    #[test]
    fn software_rasterisers_are_recognised_by_any_of_their_names() {
        let names = [
            ("Mesa", "llvmpipe (LLVM 15.0.6, 256 bits)"),
            ("Mesa/X.org", "softpipe"),
            ("Mesa Project", "Software Rasterizer"),
            ("Google Inc.", "Google SwiftShader"),
            (
                "Google Inc. (Google)",
                "ANGLE (Google, Vulkan 1.3.0 (SwiftShader Device (LLVM 10.0.0)))",
            ),
            ("VMware, Inc.", "Gallium 0.4 on swrast"),
            ("Intel Corporation", "SWR (LLVM 11.0, 256 bits)"),
            (
                "Mesa",
                "zink Vulkan 1.3(llvmpipe (LLVM 15.0.6, 256 bits) (MESA_LLVMPIPE))",
            ),
        ];
        for (vendor, renderer) in names {
            assert!(driver(vendor, renderer).is_software(), "{renderer}");
        }
    }

    #[test]
    fn graphics_cards_are_not_taken_for_software() {
        let names = [
            ("Intel", "Mesa Intel(R) UHD Graphics 630 (CFL GT2)"),
            (
                "AMD",
                "AMD Radeon RX 6800 XT (radeonsi, navi21, LLVM 15.0.7, DRM 3.49, 6.1.0)",
            ),
            ("NVIDIA Corporation", "NVIDIA GeForce RTX 3080/PCIe/SSE2"),
            ("Mesa", "NVE7"),
            (
                "Mesa",
                "zink Vulkan 1.3(NVIDIA GeForce GTX 1080 (NVK_PROPRIETARY))",
            ),
            ("VMware, Inc.", "SVGA3D; build: RELEASE;  LLVM;"),
            ("", ""),
        ];
        for (vendor, renderer) in names {
            assert!(!driver(vendor, renderer).is_software(), "{renderer}");
        }
    }

    #[test]
    fn control_characters_of_a_driver_do_not_reach_the_log() {
        assert_eq!(printable("a\u{1b}[31m\nb\n"), "a [31m b");
    }
}
