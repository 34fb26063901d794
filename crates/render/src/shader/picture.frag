// The guest's picture as it is seen at one pixel of the window; shared by desktop and pointer.
uniform ivec2 u_size;
uniform ivec4 u_target;
uniform sampler2D u_picture;
#ifdef SAMPLED
in vec2 v_uv;
#else
// Size after the turn; stored texel of the turned picture's corner; steps of it to the right and down.
uniform ivec2 u_turned;
uniform ivec2 u_corner;
uniform ivec4 u_steps;
#endif

// The pixel inside the target, counted from its top left.
ivec2 target_pixel() {
    return ivec2(int(gl_FragCoord.x), u_size.y - 1 - int(gl_FragCoord.y)) - u_target.xy;
}

// floor((at + 0.5) * from / to) without a rounding error: the quotient is at most one off and then corrected.
int nearest(int at, int from, int to) {
    int n = (2 * at + 1) * from;
    int d = 2 * to;
    int q = int(float(n) / float(d));
    int r = n - q * d;
    return r < 0 ? q - 1 : (r >= d ? q + 1 : q);
}

vec3 picture_here() {
#ifdef SAMPLED
    return textureLod(u_picture, v_uv, 0.0).rgb;
#else
    ivec2 pixel = target_pixel();
    ivec2 at = ivec2(
        nearest(pixel.x, u_turned.x, u_target.z),
        nearest(pixel.y, u_turned.y, u_target.w)
    );
    ivec2 texel = u_corner + at.x * u_steps.xy + at.y * u_steps.zw;
    // A truncated picture ends with one black row, which stands for all that are missing.
    texel.y = min(texel.y, textureSize(u_picture, 0).y - 1);
    return texelFetch(u_picture, texel, 0).rgb;
#endif
}

uvec3 to_bytes(vec3 colour) {
    return uvec3(colour * 255.0 + 0.5);
}

vec4 from_bytes(uvec3 bytes) {
    return vec4(vec3(bytes) / 255.0, 1.0);
}
