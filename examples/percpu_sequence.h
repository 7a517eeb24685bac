/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The restartable sequences of percpu_cache.h, for each architecture.
 *
 * PERCPU_SEQUENCE(body) is what all have in common: the descriptor, label 3; the store that
 * begins the sequence, up to label 1; the body, whose last store ends it, up to label 2; and
 * where to go if it is interrupted, label 4, behind the signature that the kernel looks for.
 *
 * PERCPU_TAKE and PERCPU_PUT are bodies. They go to the label lost if the word is no address of
 * a cache, and to bound if there is nothing to take, or no room.
 */
#ifndef PERCPU_SEQUENCE_H
#define PERCPU_SEQUENCE_H

#define PERCPU_DESCRIPTOR						\
	".pushsection __rseq_cs, \"aw\"\n\t"				\
	".balign 32\n"							\
	"3:\t.long 0, 0\n\t"						\
	".quad 1f, 2f - 1f, 4f\n\t"					\
	".popsection\n\t"

#if defined(__x86_64__)

#define PERCPU_SEQUENCE(body)						\
	PERCPU_DESCRIPTOR						\
	"leaq 3b(%%rip), %%rax\n\t"					\
	"movq %%rax, (%[rseq_cs])\n"					\
	"1:\t"								\
	body								\
	"2:\n\t"							\
	".pushsection __rseq_failure, \"ax\"\n\t"			\
	".byte 0x0f, 0xb9, 0x3d\n\t"					\
	".long 0x53053053\n"						\
	"4:\tjmp %l[again]\n\t"						\
	".popsection\n\t"

#define PERCPU_TAKE							\
	"movq (%[word]), %%rax\n\t"					\
	"cmpq $1, %%rax\n\t"						\
	"jbe %l[lost]\n\t"						\
	"movq (%%rax), %%rcx\n\t"					\
	"testq %%rcx, %%rcx\n\t"					\
	"jz %l[bound]\n\t"						\
	"movq (%%rax, %%rcx, 8), %%rdx\n\t"				\
	"movq %%rdx, (%[object])\n\t"					\
	"decq %%rcx\n\t"						\
	"movq %%rcx, (%%rax)\n"

#define PERCPU_PUT							\
	"movq (%[word]), %%rax\n\t"					\
	"cmpq $1, %%rax\n\t"						\
	"jbe %l[lost]\n\t"						\
	"movq (%%rax), %%rcx\n\t"					\
	"cmpq %[capacity], %%rcx\n\t"					\
	"jae %l[bound]\n\t"						\
	"incq %%rcx\n\t"						\
	"movq %[object], (%%rax, %%rcx, 8)\n\t"				\
	"movq %%rcx, (%%rax)\n"

#define PERCPU_CLOBBERS		"rax", "rcx", "rdx", "memory", "cc"

#elif defined(__aarch64__)

#define PERCPU_SEQUENCE(body)						\
	PERCPU_DESCRIPTOR						\
	"adrp x9, 3b\n\t"						\
	"add x9, x9, :lo12:3b\n\t"					\
	"str x9, [%[rseq_cs]]\n"					\
	"1:\t"								\
	body								\
	"2:\n\t"							\
	".pushsection __rseq_failure, \"ax\"\n\t"			\
	".inst 0xd428bc00\n"						\
	"4:\tb %l[again]\n\t"						\
	".popsection\n\t"

#define PERCPU_TAKE							\
	"ldr x9, [%[word]]\n\t"						\
	"cmp x9, #1\n\t"						\
	"b.ls %l[lost]\n\t"						\
	"ldr x10, [x9]\n\t"						\
	"cbz x10, %l[bound]\n\t"					\
	"ldr x11, [x9, x10, lsl #3]\n\t"				\
	"str x11, [%[object]]\n\t"					\
	"sub x10, x10, #1\n\t"						\
	"str x10, [x9]\n"

#define PERCPU_PUT							\
	"ldr x9, [%[word]]\n\t"						\
	"cmp x9, #1\n\t"						\
	"b.ls %l[lost]\n\t"						\
	"ldr x10, [x9]\n\t"						\
	"cmp x10, %[capacity]\n\t"					\
	"b.hs %l[bound]\n\t"						\
	"add x10, x10, #1\n\t"						\
	"str %[object], [x9, x10, lsl #3]\n\t"				\
	"str x10, [x9]\n"

#define PERCPU_CLOBBERS		"x9", "x10", "x11", "memory", "cc"

#else
#error "no restartable sequence for this architecture"
#endif

#endif
