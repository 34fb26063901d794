//! Shader programs.

use glow::HasContext as _;

use super::Gl;
use crate::driver::printable;
use crate::error::RenderError;

/// A linked program.
pub(crate) struct Program {
    id: glow::NativeProgram,
}

/// Where a value of a program is set; a value that the driver optimised away is ignored.
pub(crate) type Uniform = Option<glow::NativeUniformLocation>;

impl Gl {
    /// Compiles and links a program; each source is made of parts, to which the version is prepended.
    pub(crate) fn program(
        &self,
        name: &'static str,
        vertex: &[&str],
        fragment: &[&str],
    ) -> Result<Program, RenderError> {
        // SAFETY: the context is current.
        let id = unsafe { self.raw.create_program() };
        let id = id.map_err(|what| RenderError::Missing { what })?;
        for (kind, parts) in [
            (glow::VERTEX_SHADER, vertex),
            (glow::FRAGMENT_SHADER, fragment),
        ] {
            let shader = self.shader(name, kind, parts)?;
            // SAFETY: both of this context.
            unsafe { self.raw.attach_shader(id, shader) };
            // SAFETY: the program keeps it as long as it needs it.
            unsafe { self.raw.delete_shader(shader) };
        }
        // SAFETY: of this context.
        unsafe { self.raw.link_program(id) };
        // SAFETY: as above.
        if !unsafe { self.raw.get_program_link_status(id) } {
            // SAFETY: as above.
            let log = printable(&unsafe { self.raw.get_program_info_log(id) });
            return Err(RenderError::Shader { name, log });
        }
        Ok(Program { id })
    }

    fn shader(
        &self,
        name: &'static str,
        kind: u32,
        parts: &[&str],
    ) -> Result<glow::NativeShader, RenderError> {
        let mut source = String::from("#version 300 es\n");
        // Has to stand before everything else.
        if parts
            .iter()
            .any(|part| part.contains(" samplerExternalOES"))
        {
            source.push_str("#extension GL_OES_EGL_image_external_essl3 : require\n");
        }
        for kind in ["float", "int", "sampler2D", "usampler2D"] {
            source.push_str("precision highp ");
            source.push_str(kind);
            source.push_str(";\n");
        }
        parts.iter().for_each(|part| source.push_str(part));
        // SAFETY: the context is current.
        let shader = unsafe { self.raw.create_shader(kind) };
        let shader = shader.map_err(|what| RenderError::Missing { what })?;
        // SAFETY: of this context.
        unsafe { self.raw.shader_source(shader, &source) };
        // SAFETY: as above.
        unsafe { self.raw.compile_shader(shader) };
        // SAFETY: as above.
        if !unsafe { self.raw.get_shader_compile_status(shader) } {
            // SAFETY: as above.
            let log = printable(&unsafe { self.raw.get_shader_info_log(shader) });
            return Err(RenderError::Shader { name, log });
        }
        Ok(shader)
    }

    /// Finds a value of a program.
    pub(crate) fn uniform(&self, program: &Program, name: &str) -> Uniform {
        // SAFETY: of this context; names are literals without NUL.
        unsafe { self.raw.get_uniform_location(program.id, name) }
    }

    /// Frees a program.
    pub(crate) fn delete_program(&self, program: Program) {
        // SAFETY: of this context, and nobody has its name any more.
        unsafe { self.raw.delete_program(program.id) };
    }

    /// Draws with a program from now on.
    pub(crate) fn use_program(&self, program: &Program) {
        // SAFETY: linked, of this context.
        unsafe { self.raw.use_program(Some(program.id)) };
    }

    /// Sets an integer, a switch or a texture unit of the program in use.
    pub(crate) fn set_int(&self, at: &Uniform, value: i32) {
        // SAFETY: GL refuses a location of another program or type without harm.
        unsafe { self.raw.uniform_1_i32(at.as_ref(), value) };
    }

    /// Sets a pair of integers.
    pub(crate) fn set_int2(&self, at: &Uniform, [x, y]: [i32; 2]) {
        // SAFETY: as for `set_int`.
        unsafe { self.raw.uniform_2_i32(at.as_ref(), x, y) };
    }

    /// Sets one or more groups of four integers.
    pub(crate) fn set_int4(&self, at: &Uniform, values: &[i32]) {
        // SAFETY: as for `set_int`; the slice's own length is passed on, in groups of four.
        unsafe { self.raw.uniform_4_i32_slice(at.as_ref(), values) };
    }

    /// Sets a matrix of three columns of two.
    pub(crate) fn set_affine(&self, at: &Uniform, columns: &[f32; 6]) {
        // SAFETY: as for `set_int`; exactly one matrix.
        unsafe {
            self.raw
                .uniform_matrix_3x2_f32_slice(at.as_ref(), false, columns);
        };
    }
}
