// Places up to 64 rectangles without any buffers: four corners for each instance.
uniform ivec4 u_rects[64];
uniform ivec2 u_size;
// 1 if row 0 of what is drawn is the top one, as in windows; 0 if rows are kept in the order of a texture.
uniform int u_top_first;
#ifdef SAMPLED
// From pixels of the window to texture coordinates of the picture, with scale and turn in it.
uniform mat3x2 u_to_uv;
out vec2 v_uv;
#endif

void main() {
    ivec4 rect = u_rects[gl_InstanceID];
    ivec2 corner = ivec2(gl_VertexID & 1, gl_VertexID >> 1);
    vec2 pixel = vec2(rect.xy + corner * rect.zw);
#ifdef SAMPLED
    v_uv = u_to_uv * vec3(pixel, 1.0);
#endif
    vec2 at = pixel / vec2(u_size) * 2.0 - 1.0;
    gl_Position = vec4(at.x, u_top_first != 0 ? -at.y : at.y, 0.0, 1.0);
}
