/* The program orch-supervisor as it was built, as data: see supervisor_image.h. */
	.section .rodata, "a"
	.balign 16
	.globl supervisor_image_begin
	.hidden supervisor_image_begin
supervisor_image_begin:
	.incbin SUPERVISOR_PROGRAM
	.globl supervisor_image_end
	.hidden supervisor_image_end
supervisor_image_end:
	.section .note.GNU-stack, "", @progbits
