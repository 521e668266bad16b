module authd/client

go 1.21
