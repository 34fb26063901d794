// Draws the guest's picture; picture.frag stands before this.
layout(location = 0) out vec4 o_colour;

void main() {
    vec3 colour = picture_at(target_pixel());
    if (u_dimmed != 0) {
        o_colour = finished(to_bytes(colour));
    } else {
        o_colour = vec4(colour, 1.0);
    }
}
