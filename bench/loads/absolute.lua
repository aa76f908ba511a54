-- Asks a forward proxy: wrk -s absolute.lua PROXY -- URL
local asked

function init(args)
    asked = wrk.format("GET", args[1])
end

function request()
    return asked
end
