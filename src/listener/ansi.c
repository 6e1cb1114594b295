#include "config.h"

#include "listener/ansi.h"

#include <string.h>

#define ESC '\033'

enum { PARAMETERS_MAX = 16 };

struct splitter {
	struct ansi_style style;
	void (*piece)(void *data, const char *text, size_t len, const struct ansi_style *style);
	void *data;
};

static const struct ansi_style plain = {.fg = ANSI_DEFAULT, .bg = ANSI_DEFAULT};

/* nearest of the cube of six steps */
static int16_t cube_color(const int *rgb)
{
	int16_t color = 16, weight = 36;

	for (int i = 0; i < 3; i++, weight = (int16_t)(weight / 6)) {
		int value = rgb[i] < 0 ? 0 : rgb[i] > 255 ? 255 : rgb[i];

		color = (int16_t)(color + weight * (value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40));
	}
	return color;
}

uint32_t ansi_rgb(int color)
{
	uint32_t rgb = 0;

	if (color >= 232) {
		uint32_t grey = (uint32_t)(8 + 10 * (color - 232));

		return grey << 16 | grey << 8 | grey;
	}
	for (int weight = 36; weight > 0; weight /= 6) {
		uint32_t step = (uint32_t)((color - 16) / weight % 6);

		rgb = rgb << 8 | (step ? 55 + 40 * step : 0);
	}
	return rgb;
}

/* 38;5;N and 38;2;R;G;B: the colour; *at is moved to the last parameter that belongs to it */
static int16_t extended_color(const int *parameters, size_t count, size_t *at, int16_t now)
{
	size_t i = *at;

	if (i + 2 < count && parameters[i + 1] == 5) {
		*at = i + 2;
		return parameters[i + 2] <= 255 ? (int16_t)parameters[i + 2] : now;
	}
	if (i + 4 < count && parameters[i + 1] == 2) {
		*at = i + 4;
		return cube_color(parameters + i + 2);
	}
	*at = count;
	return now;
}

static void set_style(struct ansi_style *style, const int *parameters, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int p = parameters[i];

		if (p == 0)
			*style = plain;
		else if (p == 1)
			style->bold = true;
		else if (p == 2)
			style->dim = true;
		else if (p == 3)
			style->italic = true;
		else if (p == 4 || p == 21)
			style->underline = true;
		else if (p == 7)
			style->inverse = true;
		else if (p == 9)
			style->strike = true;
		else if (p == 22)
			style->bold = style->dim = false;
		else if (p == 23)
			style->italic = false;
		else if (p == 24)
			style->underline = false;
		else if (p == 27)
			style->inverse = false;
		else if (p == 29)
			style->strike = false;
		else if (p >= 30 && p <= 37)
			style->fg = (int16_t)(p - 30);
		else if (p == 38)
			style->fg = extended_color(parameters, count, &i, style->fg);
		else if (p == 39)
			style->fg = ANSI_DEFAULT;
		else if (p >= 40 && p <= 47)
			style->bg = (int16_t)(p - 40);
		else if (p == 48)
			style->bg = extended_color(parameters, count, &i, style->bg);
		else if (p == 49)
			style->bg = ANSI_DEFAULT;
		else if (p >= 90 && p <= 97)
			style->fg = (int16_t)(p - 90 + 8);
		else if (p >= 100 && p <= 107)
			style->bg = (int16_t)(p - 100 + 8);
	}
}

/* parameters and the final byte of ESC [; returns the length behind the ESC [ */
static size_t read_csi(struct splitter *splitter, const char *text, size_t len)
{
	int parameters[PARAMETERS_MAX] = {0};
	size_t at = 0, count = 1;
	bool own = false; /* of one terminal only, as ESC [ > 4 m */

	for (; at < len; at++) {
		unsigned char c = (unsigned char)text[at];

		if (c >= '0' && c <= '9') {
			int *parameter = &parameters[count - 1];

			if (*parameter < 10000)
				*parameter = *parameter * 10 + (c - '0');
		} else if (c == ';' || c == ':') {
			if (count == PARAMETERS_MAX)
				own = true;
			else
				count++;
		} else if (c >= 0x20 && c <= 0x3f) {
			own = true;
		} else {
			break;
		}
	}
	if (at == len)
		return at;
	if (text[at] == 'm' && !own)
		set_style(&splitter->style, parameters, count);
	/* what is no final byte ends the sequence, and is text again */
	return (unsigned char)text[at] >= 0x40 && (unsigned char)text[at] <= 0x7e ? at + 1 : at;
}

/* a string up to BEL or ESC \, or to the end of its line */
static size_t skip_string(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len && text[at] != '\a' && text[at] != '\n') {
		if (text[at] == ESC)
			return at + 1 < len && text[at + 1] == '\\' ? at + 2 : at;
		at++;
	}
	return at < len && text[at] == '\a' ? at + 1 : at;
}

/* the length of the sequence at text[0] == ESC */
static size_t read_escape(struct splitter *splitter, const char *text, size_t len)
{
	size_t at = 1;

	if (len < 2)
		return len;
	if (text[1] == '[')
		return 2 + read_csi(splitter, text + 2, len - 2);
	if (strchr("]PX^_", text[1]) && text[1])
		return 2 + skip_string(text + 2, len - 2);
	while (at < len && text[at] >= 0x20 && text[at] <= 0x2f)
		at++;
	return at < len && (unsigned char)text[at] >= 0x30 && (unsigned char)text[at] <= 0x7e ? at + 1 : at;
}

void ansi_split(const char *text, size_t len,
	void (*piece)(void *data, const char *text, size_t len, const struct ansi_style *style), void *data)
{
	struct splitter splitter = {.style = plain, .piece = piece, .data = data};
	size_t from = 0, at = 0;

	while (at < len) {
		unsigned char c = (unsigned char)text[at];
		bool newline = c == '\r' && !(at + 1 < len && text[at + 1] == '\n');

		if ((c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t') {
			at++;
			continue;
		}
		if (at > from)
			piece(data, text + from, at - from, &splitter.style);
		if (newline)
			piece(data, "\n", 1, &splitter.style);
		at += c == ESC ? read_escape(&splitter, text + at, len - at) : 1;
		from = at;
	}
	if (at > from)
		piece(data, text + from, at - from, &splitter.style);
}
