# Months of all stations to a page that stands alone: one line of the drawing for each station.
BEGIN {
	FS = "\t"
	split("J F M A M J J A S O N D", letter, " ")
	split("#2b6cb0 #c05621 #2f855a #6b46c1", color, " ")
	print "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>A year at four stations</title>"
	print "<style>body{font:16px sans-serif;max-width:44em;margin:2em auto;color:#222}svg{width:100%}text{font-size:13px}</style></head><body>"
	print "<h1>A year at four stations</h1>\n<svg viewBox=\"0 0 640 340\">"
	for (degrees = -10; degrees <= 30; degrees += 10) {
		printf "<line x1=\"40\" x2=\"620\" y1=\"%d\" y2=\"%d\" stroke=\"#ddd\"/>", y(degrees), y(degrees)
		printf "<text x=\"8\" y=\"%d\">%d&#176;</text>\n", y(degrees) + 4, degrees
	}
	for (month = 1; month <= 12; month++)
		printf "<text x=\"%d\" y=\"330\">%s</text>\n", x(month) - 4, letter[month]
}
function x(month) { return 10 + month * 50 }
function y(degrees) { return 220 - degrees * 6.5 }
FNR == 1 {
	station = FILENAME
	sub(/.*\//, "", station)
	sub(/\..*/, "", station)
	names[++count] = station
}
{ points[count] = points[count] sprintf("%d,%.1f ", x($1), y($2)) }
END {
	for (s = 1; s <= count; s++)
		printf "<polyline fill=\"none\" stroke-width=\"2.5\" stroke=\"%s\" points=\"%s\"/>\n", color[s], points[s]
	print "</svg><p>"
	for (s = 1; s <= count; s++)
		printf "<b style=\"color:%s\">%s</b> ", color[s], names[s]
	print "</p><p>Warmest day: " warmest "</p></body></html>"
}
