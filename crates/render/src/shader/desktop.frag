// Draws the guest's picture; picture.frag stands before this.
layout(location = 0) out vec4 o_colour;

void main() {
    vec3 colour = picture_here();
#ifdef DIMMED
    // Half brightness, rounded down as in the software renderer.
    o_colour = from_bytes(to_bytes(colour) >> 1);
#else
    o_colour = vec4(colour, 1.0);
#endif
}
