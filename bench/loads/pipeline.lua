-- Sends so many requests in one write: wrk -s pipeline.lua URL -- DEPTH
local batch

function init(args)
    local requests = {}
    for number = 1, tonumber(args[1]) do
        requests[number] = wrk.format()
    end
    batch = table.concat(requests)
end

function request()
    return batch
end
