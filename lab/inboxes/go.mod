module letgo.lab/inboxes

go 1.19
