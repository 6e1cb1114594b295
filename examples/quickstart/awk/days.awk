# 365 days of one station: day, month, temperature, rain. The numbers are made up, but the same ones every time.
function random() {
	seed = (seed * 16807) % 2147483647
	return seed / 2147483647
}
BEGIN {
	OFS = "\t"
	split("31 28 31 30 31 30 31 31 30 31 30 31", length_of, " ")
	mean["north"] = 4;  swing["north"] = 14; wet["north"] = 0.30
	mean["south"] = 16; swing["south"] = 8;  wet["south"] = 0.12
	mean["east"] = 9;   swing["east"] = 13;  wet["east"] = 0.22
	mean["west"] = 11;  swing["west"] = 6;   wet["west"] = 0.42
	seed = 7919 + 104729 * length(station) + 1299709 * wet[station] * 100
	month = 1
	in_month = 0
	drift = 0
	for (day = 1; day <= 365; day++) {
		if (++in_month > length_of[month]) {
			month++
			in_month = 1
		}
		# the weather stays a little: each day remembers the one before
		drift = 0.8 * drift + 4 * (random() - 0.5)
		warmth = mean[station] - swing[station] * cos((day - 20) * 6.28318 / 365) + drift
		rain = random() < wet[station] ? 25 * random() * random() : 0
		printf "%d\t%d\t%.1f\t%.1f\n", day, month, warmth, rain
	}
}
