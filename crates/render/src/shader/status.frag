// Draws the message, one texel for each pixel.
uniform ivec2 u_size;
uniform ivec4 u_target;
uniform sampler2D u_picture;

layout(location = 0) out vec4 o_colour;

void main() {
    ivec2 at = ivec2(int(gl_FragCoord.x), u_size.y - 1 - int(gl_FragCoord.y)) - u_target.xy;
    o_colour = texelFetch(u_picture, at, 0);
}
