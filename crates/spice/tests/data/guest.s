# A guest for recordings: a few lines of a program that QEMU's -kernel starts by multiboot, in flat 32-bit mode.
#
# At start it sets up a small screen. Each key that it gets makes it do once what makes the server talk on each channel:
# lights, pointer shapes, drawing, another screen size, sound out and in.
# Needs `-device vmware-svga,addr=2 -device AC97,addr=3`.

.set MULTIBOOT, 0x1badb002
.set GRAPHICS, 0x80001000       # PCI configuration of slot 2
.set SOUND, 0x80001800          # of slot 3
.set PAUSE, 100000000           # ticks of the processor: some 40 ms

# Registers of the graphics card.
.set ENABLE, 1
.set WIDTH, 2
.set HEIGHT, 3
.set CONFIG_DONE, 20
.set SYNC, 21
.set CURSOR_X, 25
.set CURSOR_Y, 26
.set CURSOR_ON, 27

.text
.align 4
.long MULTIBOOT, 0, -MULTIBOOT

.macro graphics register, value
        mov     \value, %ecx
        mov     $\register, %eax
        call    set_graphics
.endm

.macro sound register, value
        lea     \register(%ebp), %edx
        mov     $\value, %eax
        out     %al, %dx
.endm

.macro mixer register, value
        mov     mixer_port, %edx
        add     $\register, %edx
        mov     $\value, %eax
        out     %ax, %dx
.endm

.globl _start
_start:
        mov     $stack, %esp
        mov     $GRAPHICS, %eax
        call    switch_on
        mov     $(GRAPHICS + 0x10), %eax
        call    base
        mov     %eax, %ebx              # its ports, from here on
        mov     $(GRAPHICS + 0x14), %eax
        call    base
        mov     %eax, pixels
        mov     $(GRAPHICS + 0x18), %eax
        call    base
        mov     %eax, queue
        mov     $SOUND, %eax
        call    switch_on
        mov     $(SOUND + 0x10), %eax
        call    base
        mov     %eax, mixer_port
        mov     $(SOUND + 0x14), %eax
        call    base
        mov     %eax, %ebp              # the sound card's ports, from here on

        graphics 0, $0x90000002
        mov     $40, %esi
        mov     $20, %edi
        call    screen

wait:   in      $0x64, %al
        test    $1, %al
        jz      wait
        in      $0x60, %al
        test    $0x80, %al              # a release
        jnz     wait

        # All lights on, then one.
        mov     $7, %cl
        call    lights
        mov     $2, %cl
        call    lights

        # Two shapes of the pointer, moved about, hidden and shown.
        mov     $colour, %esi
        mov     $(colour_end - colour) / 4, %ecx
        call    command
        graphics CURSOR_X, $12
        graphics CURSOR_Y, $7
        graphics CURSOR_ON, $1
        call    pause
        graphics CURSOR_X, $-3
        graphics CURSOR_ON, $1
        call    pause
        graphics CURSOR_ON, $0
        call    pause
        mov     $mono, %esi
        mov     $(mono_end - mono) / 4, %ecx
        call    command
        graphics CURSOR_ON, $1
        call    pause
        mov     $colour, %esi
        mov     $(colour_end - colour) / 4, %ecx
        call    command
        call    pause

        # Two lines of the screen.
        mov     pixels, %edi
        mov     $80, %ecx
        mov     $0x0080ff40, %eax
        rep stosl
        mov     $update, %esi
        mov     $(update_end - update) / 4, %ecx
        call    command
        call    pause

        # Sound in both directions.
        mixer   0x00, 0
        mixer   0x02, 0x0808
        mixer   0x18, 0x0404
        mixer   0x1c, 0x0303
        mov     $descriptors, %edi
        mov     $32, %ecx
1:      movl    $samples, (%edi)
        movl    $2048, 4(%edi)
        add     $8, %edi
        loop    1b
        mov     $samples, %edi
        mov     $1024, %ecx
        xor     %eax, %eax
2:      stosl
        add     $0x00400020, %eax
        loop    2b
        lea     0x10(%ebp), %edx
        mov     $descriptors, %eax
        out     %eax, %dx
        lea     (%ebp), %edx
        out     %eax, %dx
        sound   0x15, 31
        sound   0x05, 31
        sound   0x1b, 1
        sound   0x0b, 1
        call    pause
        mixer   0x18, 0x8404
        call    pause
        sound   0x1b, 0
        sound   0x0b, 0
        call    pause

        # Another size of the screen, and back.
        mov     $56, %esi
        mov     $12, %edi
        call    screen
        call    pause
        mov     $40, %esi
        mov     $20, %edi
        call    screen
        call    pause
        jmp     wait

# Makes the screen %esi wide and %edi high, and paints it.
screen:
        graphics ENABLE, $0
        graphics WIDTH, %esi
        graphics HEIGHT, %edi
        graphics ENABLE, $1
        mov     queue, %eax
        movl    $16, (%eax)
        movl    $0x10000, 4(%eax)
        movl    $16, 8(%eax)
        movl    $16, 12(%eax)
        graphics CONFIG_DONE, $1
        mov     %esi, whole + 12
        mov     %edi, whole + 16
        mov     pixels, %edi
        mov     $800, %ecx
        mov     $0x00102030, %eax
3:      stosl
        add     $0x00030501, %eax
        loop    3b
        mov     $whole, %esi
        mov     $(whole_end - whole) / 4, %ecx
        jmp     command

# Sets the lights of the keyboard to %cl.
lights:
        mov     $0xed, %al
        out     %al, $0x60
        call    pause
        mov     %cl, %al
        out     %al, $0x60
        call    pause
4:      in      $0x64, %al              # its acknowledgements
        test    $1, %al
        jz      5f
        in      $0x60, %al
        jmp     4b
5:      ret

# Gives the graphics card %ecx words at %esi as a command. The queue is begun anew each time.
command:
        mov     queue, %eax
        lea     16(%eax), %edi
        lea     16(, %ecx, 4), %edx
        rep movsl
        movl    $16, 12(%eax)
        mov     %edx, 8(%eax)
        graphics SYNC, $1
        # It is done when that is read.
        mov     $22, %eax
        mov     %ebx, %edx
        out     %eax, %dx
        inc     %edx
6:      in      %dx, %eax
        test    %eax, %eax
        jnz     6b
        ret

# Sets the graphics card's register %eax to %ecx.
set_graphics:
        mov     %ebx, %edx
        out     %eax, %dx
        inc     %edx
        mov     %ecx, %eax
        out     %eax, %dx
        ret

# Lets a device answer at its ports and in memory, and read and write memory by itself.
switch_on:
        add     $4, %eax
        mov     $0xcf8, %edx
        out     %eax, %dx
        mov     $0xcfc, %edx
        in      %dx, %eax
        or      $7, %eax
        out     %eax, %dx
        ret

# Reads a base address.
base:
        mov     $0xcf8, %edx
        out     %eax, %dx
        mov     $0xcfc, %edx
        in      %dx, %eax
        test    $1, %eax
        jz      7f
        and     $~3, %eax
        ret
7:      and     $~15, %eax
        ret

pause:
        push    %eax
        push    %edx
        push    %esi
        push    %edi
        rdtsc
        mov     %eax, %esi
8:      rdtsc
        sub     %esi, %eax
        cmp     $PAUSE, %eax
        jb      8b
        pop     %edi
        pop     %esi
        pop     %edx
        pop     %eax
        ret

.data
.align 4
pixels: .long 0
queue:  .long 0
mixer_port: .long 0

update: .long 1, 0, 0, 40, 2
update_end:
whole:  .long 1, 0, 0, 0, 0
whole_end:

# Command, number, hot spot, size, bits of the mask and of the colours; 8 by 8.
colour: .long 19, 0, 2, 1, 8, 8, 1, 32
        .long 0xf0, 0xf0, 0xf0, 0xf0, 0, 0, 0, 0
        .rept 16
        .long 0x00ff8000, 0x000080ff, 0x00ffffff, 0x00000000
        .endr
colour_end:
mono:   .long 19, 0, 0, 7, 8, 8, 1, 1
        .long 0xff, 0x7e, 0x3c, 0x18, 0x18, 0x3c, 0x7e, 0xff
        .long 0x00, 0x81, 0x42, 0x24, 0x24, 0x42, 0x81, 0x00
mono_end:

.bss
.align 16
descriptors: .skip 32 * 8
samples: .skip 4096
        .skip 4096
stack:
