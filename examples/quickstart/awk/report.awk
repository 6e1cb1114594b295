# Months of all stations to a table, with a bar for the warmth of each month over all.
BEGIN {
	FS = "\t"
	split("January February March April May June July August September October November December", name, " ")
}
FNR == 1 {
	station = FILENAME
	sub(/.*\//, "", station)
	sub(/\..*/, "", station)
	stations[++count] = station
}
{ warmth[count, $1] = $2; rain[$1] += $3 }
END {
	printf "%-10s", ""
	for (s = 1; s <= count; s++)
		printf "%7s", stations[s]
	printf "%8s\n", "rain"
	for (month = 1; month <= 12; month++) {
		printf "%-10s", name[month]
		mean = 0
		for (s = 1; s <= count; s++) {
			printf "%7.1f", warmth[s, month]
			mean += warmth[s, month] / count
		}
		bar = ""
		for (i = 0; i < mean; i++)
			bar = bar "#"
		printf "%5d mm%s\n", rain[month], bar == "" ? "" : "  " bar
	}
	print ""
}
