# Days of one station to months: month, mean temperature, rain.
BEGIN { FS = OFS = "\t" }
{ count[$2]++; warmth[$2] += $3; rain[$2] += $4 }
END {
	for (month = 1; month <= 12; month++)
		printf "%d\t%.1f\t%.0f\n", month, warmth[month] / count[month], rain[month]
}
