#include "config.h"

#include "util/utf8.h"

#include "util/strbuf.h"

#include <string.h>

/* length of the valid character at `text`, 0 if there is none (Unicode 15, table 3-7) */
static size_t valid_length(const unsigned char *text, size_t len)
{
	unsigned char first = text[0];
	unsigned char low = 0x80, high = 0xbf;
	size_t need;

	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		need = 2;
	else if (first >= 0xe0 && first <= 0xef)
		need = 3;
	else if (first >= 0xf0 && first <= 0xf4)
		need = 4;
	else
		return 0;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	if (len < need || text[1] < low || text[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	return need;
}

size_t utf8_invalid_at(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		uint64_t eight;
		size_t step;

		/* ASCII, eight at a time */
		while (at + 8 <= len) {
			memcpy(&eight, text + at, 8);
			if (eight & 0x8080808080808080u)
				break;
			at += 8;
		}
		if (at == len)
			break;
		step = valid_length((const unsigned char *)text + at, len - at);
		if (!step)
			return at;
		at += step;
	}
	return len;
}

size_t utf8_decode(const char *text, size_t len, uint32_t *code)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t length = len ? valid_length(bytes, len) : 0;

	switch (length) {
	case 1:
		*code = bytes[0];
		return 1;
	case 2:
		*code = (uint32_t)(bytes[0] & 0x1f) << 6 | (bytes[1] & 0x3f);
		return 2;
	case 3:
		*code = (uint32_t)(bytes[0] & 0x0f) << 12 | (uint32_t)(bytes[1] & 0x3f) << 6 | (bytes[2] & 0x3f);
		return 3;
	case 4:
		*code = (uint32_t)(bytes[0] & 0x07) << 18 | (uint32_t)(bytes[1] & 0x3f) << 12 |
			(uint32_t)(bytes[2] & 0x3f) << 6 | (bytes[3] & 0x3f);
		return 4;
	default:
		*code = 0xfffd;
		return 1;
	}
}

struct range {
	uint32_t first, last;
};

/* combining marks, joiners, variation selectors: no column of their own (Unicode 15, general categories Mn, Me, Cf; the
 * common blocks) */
static const struct range zero_width[] = {
	{0x0300, 0x036f},
	{0x0483, 0x0489},
	{0x0591, 0x05bd},
	{0x05bf, 0x05bf},
	{0x05c1, 0x05c2},
	{0x05c4, 0x05c5},
	{0x0610, 0x061a},
	{0x064b, 0x065f},
	{0x0670, 0x0670},
	{0x06d6, 0x06dc},
	{0x06df, 0x06e4},
	{0x06e7, 0x06e8},
	{0x06ea, 0x06ed},
	{0x0900, 0x0902},
	{0x093a, 0x093a},
	{0x093c, 0x093c},
	{0x0941, 0x0948},
	{0x094d, 0x094d},
	{0x0e31, 0x0e31},
	{0x0e34, 0x0e3a},
	{0x0e47, 0x0e4e},
	{0x1ab0, 0x1aff},
	{0x1dc0, 0x1dff},
	{0x200b, 0x200f},
	{0x202a, 0x202e},
	{0x2060, 0x2064},
	{0x2066, 0x206f},
	{0x20d0, 0x20f0},
	{0x302a, 0x302d},
	{0x3099, 0x309a},
	{0xfe00, 0xfe0f},
	{0xfe20, 0xfe2f},
	{0xfeff, 0xfeff},
	{0x1f3fb, 0x1f3ff},
	{0xe0000, 0xe01ef},
};

/* East Asian Wide and Fullwidth, and emoji (Unicode 15, EastAsianWidth.txt; neighbouring ranges joined) */
static const struct range wide[] = {
	{0x1100, 0x115f},
	{0x231a, 0x231b},
	{0x2329, 0x232a},
	{0x23e9, 0x23ec},
	{0x23f0, 0x23f0},
	{0x23f3, 0x23f3},
	{0x25fd, 0x25fe},
	{0x2614, 0x2615},
	{0x2648, 0x2653},
	{0x267f, 0x267f},
	{0x2693, 0x2693},
	{0x26a1, 0x26a1},
	{0x26aa, 0x26ab},
	{0x26bd, 0x26be},
	{0x26c4, 0x26c5},
	{0x26ce, 0x26ce},
	{0x26d4, 0x26d4},
	{0x26ea, 0x26ea},
	{0x26f2, 0x26f3},
	{0x26f5, 0x26f5},
	{0x26fa, 0x26fa},
	{0x26fd, 0x26fd},
	{0x2705, 0x2705},
	{0x270a, 0x270b},
	{0x2728, 0x2728},
	{0x274c, 0x274c},
	{0x274e, 0x274e},
	{0x2753, 0x2755},
	{0x2757, 0x2757},
	{0x2795, 0x2797},
	{0x27b0, 0x27b0},
	{0x27bf, 0x27bf},
	{0x2b1b, 0x2b1c},
	{0x2b50, 0x2b50},
	{0x2b55, 0x2b55},
	{0x2e80, 0x303e},
	{0x3041, 0x33ff},
	{0x3400, 0x4dbf},
	{0x4e00, 0xa4cf},
	{0xa960, 0xa97f},
	{0xac00, 0xd7a3},
	{0xf900, 0xfaff},
	{0xfe10, 0xfe19},
	{0xfe30, 0xfe6f},
	{0xff01, 0xff60},
	{0xffe0, 0xffe6},
	{0x16fe0, 0x18aff},
	{0x1b000, 0x1b2ff},
	{0x1f004, 0x1f004},
	{0x1f0cf, 0x1f0cf},
	{0x1f18e, 0x1f18e},
	{0x1f191, 0x1f19a},
	{0x1f200, 0x1f320},
	{0x1f32d, 0x1f335},
	{0x1f337, 0x1f37c},
	{0x1f37e, 0x1f393},
	{0x1f3a0, 0x1f3ca},
	{0x1f3cf, 0x1f3d3},
	{0x1f3e0, 0x1f3f0},
	{0x1f3f4, 0x1f3f4},
	{0x1f3f8, 0x1f43e},
	{0x1f440, 0x1f440},
	{0x1f442, 0x1f4fc},
	{0x1f4ff, 0x1f53d},
	{0x1f54b, 0x1f54e},
	{0x1f550, 0x1f567},
	{0x1f57a, 0x1f57a},
	{0x1f595, 0x1f596},
	{0x1f5a4, 0x1f5a4},
	{0x1f5fb, 0x1f64f},
	{0x1f680, 0x1f6c5},
	{0x1f6cc, 0x1f6cc},
	{0x1f6d0, 0x1f6d2},
	{0x1f6d5, 0x1f6d7},
	{0x1f6dc, 0x1f6df},
	{0x1f6eb, 0x1f6ec},
	{0x1f6f4, 0x1f6fc},
	{0x1f7e0, 0x1f7eb},
	{0x1f7f0, 0x1f7f0},
	{0x1f90c, 0x1f9ff},
	{0x1fa70, 0x1faff},
	{0x20000, 0x3fffd},
};

static bool in_ranges(const struct range *ranges, size_t count, uint32_t code)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (code > ranges[middle].last)
			low = middle + 1;
		else if (code < ranges[middle].first)
			high = middle;
		else
			return true;
	}
	return false;
}

unsigned utf8_width(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return 0;
	if (code < 0x300)
		return 1;
	if (in_ranges(zero_width, sizeof zero_width / sizeof zero_width[0], code))
		return 0;
	return in_ranges(wide, sizeof wide / sizeof wide[0], code) ? 2 : 1;
}

unsigned utf8_text_width(const char *text, size_t len)
{
	unsigned width = 0;

	while (len) {
		uint32_t code;
		size_t step = utf8_decode(text, len, &code);

		width += utf8_width(code);
		text += step;
		len -= step;
	}
	return width;
}

void utf8_add_clean(struct strbuf *out, const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		unsigned char c = (unsigned char)text[at];

		if (c == 0x1b) {
			/* ESC [ ... letter, ESC ] ... BEL or ESC \, ESC and one more */
			at++;
			if (at < len && text[at] == '[') {
				for (at++;
					at < len && ((unsigned char)text[at] < 0x40 || (unsigned char)text[at] > 0x7e);
					at++)
					;
				at += at < len;
			} else if (at < len && text[at] == ']') {
				while (at < len && text[at] != '\a' && text[at] != 0x1b && text[at] != '\n')
					at++;
				at += at < len && text[at] == '\a';
			} else {
				at += at < len;
			}
		} else if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f)) {
			strbuf_addch(out, text[at++]);
		} else if (c < 0x80) {
			at++;
		} else {
			uint32_t code;
			size_t n = utf8_decode(text + at, len - at, &code);

			/* not the control characters beyond ASCII either */
			if (n == 1)
				strbuf_addstr(out, "\xef\xbf\xbd");
			else if (code >= 0xa0)
				strbuf_add(out, text + at, n);
			at += n;
		}
	}
}

size_t utf8_whole(const char *text, size_t len)
{
	size_t back = 0;
	unsigned char lead;

	while (back < 3 && back < len && ((unsigned char)text[len - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back == len)
		return len;
	lead = (unsigned char)text[len - 1 - back];
	if ((lead >= 0xf0 && back < 3) || (lead >= 0xe0 && lead < 0xf0 && back < 2) ||
		(lead >= 0xc0 && lead < 0xe0 && back < 1))
		return len - 1 - back;
	return len;
}
