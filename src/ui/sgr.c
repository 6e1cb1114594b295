#include "config.h"

#include "ui/sgr.h"

enum { PARAMETERS_MAX = 32, VALUE_MAX = 1000 };

/* the nearest of xterm's 6x6x6 cube */
static int cube(const int *rgb)
{
	int index = 0;

	for (int i = 0; i < 3; i++) {
		int value = rgb[i] > 255 ? 255 : rgb[i];

		index = index * 6 + (value < 48 ? 0 : value < 115 ? 1 : (value - 35) / 40);
	}
	return 16 + index;
}

/* "38;5;N" or "38;2;R;G;B" at `at`; returns how many values it took */
static size_t extended(const int *values, size_t count, int *color)
{
	if (count >= 3 && values[1] == 5) {
		*color = values[2] > 255 ? -1 : values[2];
		return 3;
	}
	if (count >= 5 && values[1] == 2) {
		*color = cube(values + 2);
		return 5;
	}
	return count;
}

static void apply_one(struct sgr *sgr, int value)
{
	if (value == 0)
		*sgr = SGR_PLAIN;
	else if (value == 1)
		sgr->bold = true;
	else if (value == 2)
		sgr->dim = true;
	else if (value == 3)
		sgr->italic = true;
	else if (value == 4)
		sgr->underline = true;
	else if (value == 7)
		sgr->reverse = true;
	else if (value == 8)
		sgr->hidden = true;
	else if (value == 22)
		sgr->bold = sgr->dim = false;
	else if (value == 23)
		sgr->italic = false;
	else if (value == 24)
		sgr->underline = false;
	else if (value == 27)
		sgr->reverse = false;
	else if (value == 28)
		sgr->hidden = false;
	else if (value >= 30 && value <= 37)
		sgr->fg = value - 30;
	else if (value == 39)
		sgr->fg = -1;
	else if (value >= 40 && value <= 47)
		sgr->bg = value - 40;
	else if (value == 49)
		sgr->bg = -1;
	else if (value >= 90 && value <= 97)
		sgr->fg = value - 90 + 8;
	else if (value >= 100 && value <= 107)
		sgr->bg = value - 100 + 8;
}

void sgr_apply(struct sgr *sgr, const char *parameters, size_t len)
{
	int values[PARAMETERS_MAX] = {0};
	size_t count = 1;

	for (size_t i = 0; i < len; i++) {
		char c = parameters[i];

		if ((c == ';' || c == ':') && count < PARAMETERS_MAX)
			count++;
		else if (c >= '0' && c <= '9' && values[count - 1] < VALUE_MAX)
			values[count - 1] = values[count - 1] * 10 + (c - '0');
	}
	for (size_t i = 0; i < count;) {
		if (values[i] == 38 || values[i] == 48) {
			i += extended(values + i, count - i, values[i] == 38 ? &sgr->fg : &sgr->bg);
		} else {
			apply_one(sgr, values[i]);
			i++;
		}
	}
}
