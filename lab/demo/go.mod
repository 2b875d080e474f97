module letgo.lab/demo

go 1.19
