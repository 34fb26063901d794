// Draws the pointer and the picture under it; picture.frag stands before this.
//
// The picture is computed once more instead of blended with: only so can its bits be inverted exactly, and only so
// does drawing twice do no harm.
uniform usampler2D u_pointer;
// 1: colour with straight alpha; 0: (screen AND a) XOR rgb.
uniform int u_is_colour;
uniform int u_is_linear;
uniform int u_is_dimmed;
// The guest's desktop after the client's own turn; place and size of the pointer's picture on it.
uniform ivec2 u_desktop;
uniform ivec2 u_place;
uniform ivec2 u_extent;
// Texel of the turned pointer's corner; steps of it to the right and down.
uniform ivec2 u_pointer_corner;
uniform ivec4 u_pointer_steps;

layout(location = 0) out vec4 o_colour;

bool is_inside(ivec2 at) {
    return all(greaterThanEqual(at, ivec2(0))) && all(lessThan(at, u_extent));
}

uvec4 texel(ivec2 at) {
    return texelFetch(u_pointer, u_pointer_corner + at.x * u_pointer_steps.xy + at.y * u_pointer_steps.zw, 0);
}

// Colour times alpha, and alpha; the edge is repeated.
vec4 weighted(ivec2 at) {
    vec4 colour = vec4(texel(clamp(at, ivec2(0), u_extent - 1)));
    return vec4(colour.rgb * colour.a, colour.a);
}

// Colours count by their alpha, so that hidden ones do not shine through.
uvec3 blended_between(ivec2 pixel, uvec3 screen) {
    vec2 scale = vec2(u_desktop) / vec2(u_target.zw);
    vec2 at = (vec2(pixel) + 0.5) * scale - vec2(u_place) - 0.5;
    vec2 low = floor(at);
    vec2 part = at - low;
    ivec2 i = ivec2(low);
    vec4 above = mix(weighted(i), weighted(i + ivec2(1, 0)), part.x);
    vec4 below = mix(weighted(i + ivec2(0, 1)), weighted(i + ivec2(1, 1)), part.x);
    vec4 over = mix(above, below, part.y);
    return uvec3((over.rgb + vec3(screen) * (255.0 - over.a)) / 255.0 + 0.5);
}

void main() {
    ivec2 pixel = target_pixel();
    uvec3 screen = to_bytes(picture_here());
    ivec2 at = ivec2(
        nearest(pixel.x, u_desktop.x, u_target.z),
        nearest(pixel.y, u_desktop.y, u_target.w)
    ) - u_place;
    if (is_inside(at)) {
        if (u_is_linear != 0) {
            screen = blended_between(pixel, screen);
        } else {
            uvec4 over = texel(at);
            screen = u_is_colour != 0
                ? (over.rgb * over.a + screen * (255u - over.a) + 127u) / 255u
                : (screen & over.a) ^ over.rgb;
        }
    }
    o_colour = from_bytes(u_is_dimmed != 0 ? screen >> 1 : screen);
}
