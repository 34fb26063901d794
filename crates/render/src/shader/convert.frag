// Converts a stored pixel to an sRGB-encoded one of 8 bits a colour (kvmfr.md 4.8); row and column stay.
#ifdef IMPORTED
// The guest's memory, of which a driver shows four bytes as blue, green, red and alpha (DRM AR24), or one as red (R8).
// Values of 0 to 1 are exactly those of whole bytes.
uniform IMPORTED u_stored;

uvec4 texel(ivec2 at) {
    return uvec4(texelFetch(u_stored, at, 0) * 255.0 + 0.5);
}

uint word(ivec2 at) {
    uvec4 bytes = texel(at);
    return bytes.b | bytes.g << 8 | bytes.r << 16 | bytes.a << 24;
}

uvec2 two_words(ivec2 at) {
    ivec2 first = ivec2(2 * at.x, at.y);
    return uvec2(word(first), word(first + ivec2(1, 0)));
}
#else
uniform usampler2D u_stored;

uvec4 texel(ivec2 at) {
    return texelFetch(u_stored, at, 0);
}

uint word(ivec2 at) {
    return texel(at).r;
}

uvec2 two_words(ivec2 at) {
    return texel(at).rg;
}
#endif

layout(location = 0) out vec4 o_colour;

#ifdef AS_IT_IS
uvec3 convert(ivec2 at) {
    return texel(at).rgb;
}
#endif

#ifdef PQ
// Linear BT.2020 light of each of the 1024 values, 1.0 = SDR white.
uniform sampler2D u_table;

float light(uint value) {
    return texelFetch(u_table, ivec2(int(value & 1023u), 0), 0).r;
}

float encoded(float light) {
    if (!(light > 0.0)) {
        return 0.0;
    }
    return light <= 0.0031308 ? 12.92 * light : min(1.055 * pow(light, 1.0 / 2.4) - 0.055, 1.0);
}

uvec3 convert(ivec2 at) {
    uint pixel = word(at);
    vec3 wide = vec3(light(pixel), light(pixel >> 10), light(pixel >> 20));
    vec3 rgb = vec3(
        dot(vec3(1.660491, -0.587641, -0.072850), wide),
        dot(vec3(-0.124550, 1.132900, -0.008349), wide),
        dot(vec3(-0.018151, -0.100579, 1.118730), wide)
    );
    return uvec3(vec3(encoded(rgb.r), encoded(rgb.g), encoded(rgb.b)) * 255.0 + 0.5);
}
#endif

#ifdef TEN_BITS
uvec3 convert(ivec2 at) {
    uint pixel = word(at);
    uvec3 value = uvec3(pixel, pixel >> 10, pixel >> 20) & 1023u;
    // Never nearer to a half than 1/2046, so that floats round as whole numbers would.
    return uvec3(vec3(value) * (255.0 / 1023.0) + 0.5);
}
#endif

#ifdef HALF
// The shown byte of each of the 65536 half floats: low byte across, high byte down.
uniform usampler2D u_bytes;

uint shown(uint bits) {
    return texelFetch(u_bytes, ivec2(int(bits & 255u), int(bits >> 8 & 255u)), 0).r;
}

uvec3 convert(ivec2 at) {
    uvec2 words = two_words(at);
    return uvec3(shown(words.r), shown(words.r >> 16), shown(words.g));
}
#endif

#ifdef WORDS_24
// Three bytes a pixel in 32-bit words: a pixel lies in one word or across two.
uvec3 convert(ivec2 at) {
    int start = 3 * at.x;
    int shift = 8 * (start & 3);
    ivec2 first = ivec2(start >> 2, at.y);
    uint bytes = word(first) >> shift;
    if (shift > 8) {
        bytes |= word(first + ivec2(1, 0)) << (32 - shift);
    }
    return uvec3(bytes, bytes >> 8, bytes >> 16) & 255u;
}
#endif

#ifdef BYTES_24
uvec3 convert(ivec2 at) {
    ivec2 first = ivec2(3 * at.x, at.y);
    return uvec3(
        texel(first).r,
        texel(first + ivec2(1, 0)).r,
        texel(first + ivec2(2, 0)).r
    );
}
#endif

void main() {
    uvec3 rgb = convert(ivec2(gl_FragCoord.xy));
#ifdef BLUE_FIRST
    rgb = rgb.bgr;
#endif
    o_colour = vec4(vec3(rgb) / 255.0, 1.0);
}
