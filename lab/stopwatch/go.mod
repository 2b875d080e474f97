module letgo.lab/stopwatch

go 1.19
